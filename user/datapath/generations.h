/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule R39 for packets: a UDP flow belongs to the generation of its backend at the time it was
 * made. When a backend has left, the next generation begins, and the next packet of each flow of
 * an older one is given a backend anew.
 *
 * The step is made after the grace period that follows the publication of the lists without the
 * backend: a program that read a list before may store its flow only after the lists were replaced,
 * with the generation of that moment. A step before the grace period ends would miss such a flow,
 * which then stays with a backend that is gone for as long as its client sends.
 */
#ifndef SVCBPF_DATAPATH_GENERATIONS_H
#define SVCBPF_DATAPATH_GENERATIONS_H

#include <stdint.h>

#include "datapath/shadow.h"

/** generations_step() - begin the next generation; @word is mapped. From any thread. */
static inline void generations_step(uint32_t *word)
{
	__atomic_fetch_add(word, 1, __ATOMIC_RELEASE);
}

/**
 * generations_retire() - @backend of a UDP service port has left: step when grace period
 * shadow->seq has passed. Without memory to remember that: at once. Nothing without a packet path.
 */
void generations_retire(struct shadow *shadow, const struct backend *backend);

/** generations_collect() - make the step that generations_retire() put off. @index: of the map. */
void generations_collect(struct maps *maps, uint32_t index);

#endif

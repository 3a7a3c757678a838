/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EndpointSlices as the model keeps them: an IPv4 endpoint takes 13 bytes instead of 40, as most of
 * the model's memory is endpoints.
 */
#ifndef SVCBPF_MODEL_PACKED_SLICE_H
#define SVCBPF_MODEL_PACKED_SLICE_H

#include "model/objects.h"

struct packed_slice;

/**
 * packed_slice_new() - pack a slice, whose family is ADDR_IPV4 or ADDR_IPV6.
 * @slice: taken over, and freed on success; the caller's still on failure.
 * Return: 0 or -ENOMEM. Free with packed_slice_free().
 */
int packed_slice_new(struct k8s_slice *slice, struct packed_slice **ret);

/** packed_slice_free() - free it and give its strings back; NULL is fine. */
void packed_slice_free(struct strings *pool, struct packed_slice *packed);

/**
 * packed_slice_open() - the slice as it was.
 * @ret: its strings, ports and hints are borrowed from @packed; close with packed_slice_close().
 * Return: 0 or -ENOMEM.
 */
int packed_slice_open(const struct packed_slice *packed, struct k8s_slice *ret);

/** packed_slice_close() - free what packed_slice_open() made; fine with an all zero @slice. */
void packed_slice_close(struct k8s_slice *slice);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* struct datapath_reader, for the files that implement the reading half of datapath.h. */
#ifndef SVCBPF_DATAPATH_READER_H
#define SVCBPF_DATAPATH_READER_H

#include "datapath/maps.h"

/** struct datapath_reader - the pinned maps, read-only. @is_thorough:
 * datapath_reader_check_tables().
 */
struct datapath_reader {
	char *pin_dir;
	struct maps maps;
	bool is_thorough;
};

/**
 * reader_slot() - a copy of a slot's record, word by word as programs read it.
 * Return: 0; -EAGAIN when there is no such slot: the reader came in between two steps of a sync.
 */
int reader_slot(const struct maps *maps, uint32_t slot, struct svc_service *ret_service);

/**
 * reader_backend() - backend @index of a family's array.
 * Return: 0; -EAGAIN when it is out of range.
 */
int reader_backend(const struct maps *maps, uint8_t family, uint32_t index,
		   struct backend *ret_backend);

/** reader_backend_id() - its stable id; 0 when @index is out of range. */
uint32_t reader_backend_id(const struct maps *maps, uint8_t family, uint32_t index);

#endif

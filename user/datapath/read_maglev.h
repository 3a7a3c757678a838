/* SPDX-License-Identifier: Apache-2.0 */
/* Maglev tables as the kernel holds them. */
#ifndef SVCBPF_DATAPATH_READ_MAGLEV_H
#define SVCBPF_DATAPATH_READ_MAGLEV_H

#include "datapath/maps.h"

/**
 * read_maglev_is_there() - whether a service port has a table.
 * @info: of the service port; only family and protocol are needed.
 * @list: the list word that the table must fit; 0: do not look into the table.
 *
 * Looking into a table takes CAP_SYS_ADMIN; without, it is believed to fit.
 * Return: 1; 0: there is none, or it does not fit; -ENOMEM; negative errno of bpf(2).
 */
int read_maglev_is_there(const struct maps *maps, uint32_t service_id,
			 const struct svc_service_info *info, uint64_t list);

#endif

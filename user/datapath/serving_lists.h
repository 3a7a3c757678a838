/* SPDX-License-Identifier: Apache-2.0 */
/* Serving endpoints of UDP service ports, collected by one thread for another to work on. */
#ifndef SVCBPF_DATAPATH_SERVING_LISTS_H
#define SVCBPF_DATAPATH_SERVING_LISTS_H

#include "datapath/stale_udp.h"

struct serving_list;

/** struct serving_lists - one list for each service id; zero: empty. */
struct serving_lists {
	struct serving_list *table;
};

/**
 * serving_lists_put() - @serving is that of @service_id now; replaces what it was.
 * @serving: copied.
 * Return: 0 or -ENOMEM.
 */
int serving_lists_put(struct serving_lists *lists, uint32_t service_id,
		      const struct backend_list *serving);

/**
 * serving_lists_array() - all of them, sorted by service id; the endpoints are borrowed.
 * @ret: for free(3); never NULL on success.  @ret_n: how many.
 * Return: 0 or -ENOMEM.
 */
int serving_lists_array(const struct serving_lists *lists, struct stale_udp_service **ret,
			size_t *ret_n);

/** serving_lists_move() - give @to what it does not have of @from, which is empty then. */
void serving_lists_move(struct serving_lists *to, struct serving_lists *from);

/** serving_lists_clear() - free what it owns; an empty one is fine. */
void serving_lists_clear(struct serving_lists *lists);

#endif

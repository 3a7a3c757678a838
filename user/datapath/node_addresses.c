/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of NodePort addresses among the local ones (rule R32). */
#include "datapath/node_addresses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/local_addresses.h"
#include "util/cleanup.h"

/** struct addr_set - an array of addresses, owned. */
struct addr_set {
	struct addr *addrs;
	size_t n_addrs;
};

struct node_addresses {
	struct node_addresses_selection selection;
	node_addresses_changed_fn *changed;
	void *arg;
	struct local_addresses *local;
	struct addr primary4; /* of the Node object; family ADDR_NONE: unknown */
	struct addr primary6;
	struct addr_set chosen;
};

/* ------------------------------------------------------------------ the choice */

static bool is_chosen_primary(const struct node_addresses *addresses,
			      const struct local_address *item)
{
	bool is_v4 = item->addr.family == ADDR_IPV4;
	const struct addr *primary = is_v4 ? &addresses->primary4 : &addresses->primary6;
	uint32_t device;

	if (addr_is_loopback(&item->addr))
		return false;
	if (primary->family != ADDR_NONE)
		return !addr_compare(primary, &item->addr);
	device = local_addresses_default_device(addresses->local, item->addr.family);
	return device && device == item->ifindex;
}

static bool is_chosen_by_cidrs(const struct node_addresses_selection *selection,
			       const struct addr *addr)
{
	bool has_family = false;

	for (size_t i = 0; i < selection->n_cidrs; i++) {
		const struct cidr *cidr = &selection->cidrs[i];

		if (cidr->addr.family != addr->family)
			continue;
		has_family = true;
		if (cidr->prefix_len == 0 || cidr_contains(cidr, addr))
			return true;
	}
	return !has_family;
}

static bool is_chosen(const struct node_addresses *addresses, const struct local_address *item)
{
	if (!item->is_usable)
		return false;
	if (addresses->selection.is_primary)
		return is_chosen_primary(addresses, item);
	return is_chosen_by_cidrs(&addresses->selection, &item->addr);
}

static int compare_addrs(const void *a, const void *b)
{
	return addr_compare(a, b);
}

/* All of 127.0.0.0/8 is one entry, see the header. */
static struct addr canonical(const struct addr *addr)
{
	static const struct addr loopback4 = {.family = ADDR_IPV4, .bytes = {127, 0, 0, 1}};

	return addr->family == ADDR_IPV4 && addr_is_loopback(addr) ? loopback4 : *addr;
}

static void set_sort_unique(struct addr_set *set)
{
	size_t n = 0;

	qsort(set->addrs, set->n_addrs, sizeof(*set->addrs), compare_addrs);
	for (size_t i = 0; i < set->n_addrs; i++)
		if (!n || addr_compare(&set->addrs[n - 1], &set->addrs[i]))
			set->addrs[n++] = set->addrs[i];
	set->n_addrs = n;
}

static bool set_equal(const struct addr_set *a, const struct addr_set *b)
{
	if (a->n_addrs != b->n_addrs)
		return false;
	for (size_t i = 0; i < a->n_addrs; i++)
		if (addr_compare(&a->addrs[i], &b->addrs[i]))
			return false;
	return true;
}

/* Return: 1 when the chosen set is another one now, 0 when not, negative errno. */
static int choose(struct node_addresses *addresses)
{
	size_t n_items;
	const struct local_address *items = local_addresses_items(addresses->local, &n_items);
	_free_ struct addr *addrs = calloc(n_items + 1, sizeof(*addrs));
	struct addr_set set = {.addrs = addrs};

	if (!addrs)
		return -ENOMEM;
	for (size_t i = 0; i < n_items; i++)
		if (is_chosen(addresses, &items[i]))
			addrs[set.n_addrs++] = canonical(&items[i].addr);
	set_sort_unique(&set);
	if (set_equal(&addresses->chosen, &set))
		return 0;
	free(addresses->chosen.addrs);
	addresses->chosen = set;
	addrs = NULL;
	return 1;
}

static int choose_and_tell(struct node_addresses *addresses)
{
	int r = choose(addresses);

	if (r > 0)
		addresses->changed(addresses->arg, addresses->chosen.addrs,
				   addresses->chosen.n_addrs);
	return r < 0 ? r : 0;
}

/* ------------------------------------------------------------------ interface */

static int parse_cidr_list(const char *text, struct node_addresses_selection *ret)
{
	_free_ char *copy = strdup(text);
	_free_ struct cidr *cidrs = NULL;
	char *rest = copy;
	char *item;
	size_t n = 0;

	if (!copy)
		return -ENOMEM;
	while ((item = strsep(&rest, ","))) {
		struct cidr *grown = reallocarray(cidrs, n + 1, sizeof(*cidrs));

		if (!grown)
			return -ENOMEM;
		cidrs = grown;
		if (cidr_parse(item, &cidrs[n]) < 0)
			return -EINVAL;
		n++;
	}
	ret->n_cidrs = n;
	ret->cidrs = TAKE_PTR(cidrs);
	return 0;
}

int node_addresses_parse(const char *text, struct node_addresses_selection *ret_selection)
{
	struct node_addresses_selection selection = {};
	int r;

	if (text && !strcmp(text, "primary")) {
		selection.is_primary = true;
	} else if (text && *text) {
		r = parse_cidr_list(text, &selection);
		if (r < 0)
			return r;
	}
	*ret_selection = selection;
	return 0;
}

void node_addresses_selection_clear(struct node_addresses_selection *selection)
{
	free(selection->cidrs);
	*selection = (struct node_addresses_selection){};
}

static int copy_selection(const struct node_addresses_selection *from,
			  struct node_addresses_selection *ret)
{
	struct node_addresses_selection copy = {.is_primary = from->is_primary};

	if (from->n_cidrs) {
		copy.cidrs = calloc(from->n_cidrs, sizeof(*copy.cidrs));
		if (!copy.cidrs)
			return -ENOMEM;
		memcpy(copy.cidrs, from->cidrs, from->n_cidrs * sizeof(*copy.cidrs));
		copy.n_cidrs = from->n_cidrs;
	}
	*ret = copy;
	return 0;
}

static void node_addresses_freep(struct node_addresses **addresses)
{
	node_addresses_free(*addresses);
}

int node_addresses_new(const struct node_addresses_selection *selection,
		       node_addresses_changed_fn *changed, void *arg, struct node_addresses **ret)
{
	_cleanup_(node_addresses_freep) struct node_addresses *addresses =
		calloc(1, sizeof(*addresses));
	int r;

	if (!addresses)
		return -ENOMEM;
	addresses->changed = changed;
	addresses->arg = arg;
	r = copy_selection(selection, &addresses->selection);
	if (r < 0)
		return r;
	r = local_addresses_new(selection->is_primary, &addresses->local);
	if (r < 0)
		return r;
	r = choose(addresses);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(addresses);
	return 0;
}

void node_addresses_free(struct node_addresses *addresses)
{
	if (!addresses)
		return;
	local_addresses_free(addresses->local);
	node_addresses_selection_clear(&addresses->selection);
	free(addresses->chosen.addrs);
	free(addresses);
}

int node_addresses_fd(const struct node_addresses *addresses)
{
	return local_addresses_fd(addresses->local);
}

int node_addresses_process(struct node_addresses *addresses)
{
	int r = local_addresses_process(addresses->local);

	if (r < 0)
		return r;
	return choose_and_tell(addresses);
}

int node_addresses_set_primary(struct node_addresses *addresses, const struct addr *addrs,
			       size_t n_addrs)
{
	addresses->primary4 = addresses->primary6 = (struct addr){};
	for (size_t i = 0; i < n_addrs; i++) {
		struct addr *primary =
			addrs[i].family == ADDR_IPV4 ? &addresses->primary4 : &addresses->primary6;

		if (primary->family == ADDR_NONE)
			*primary = addrs[i];
	}
	return choose_and_tell(addresses);
}

const struct addr *node_addresses_get(const struct node_addresses *addresses, size_t *ret_n)
{
	*ret_n = addresses->chosen.n_addrs;
	return addresses->chosen.addrs;
}

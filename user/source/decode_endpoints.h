/* SPDX-License-Identifier: Apache-2.0 */
/* Legacy Endpoints (v1) as the EndpointSlices that the control plane would make of them. */
#ifndef SVCBPF_SOURCE_DECODE_ENDPOINTS_H
#define SVCBPF_SOURCE_DECODE_ENDPOINTS_H

#include "source/decode.h"

/** ENDPOINTS_MAX_ADDRESSES - addresses of a subset that are mirrored; the rest is left out. */
#define ENDPOINTS_MAX_ADDRESSES 1000

/**
 * struct mirror - an Endpoints object, mirrored.
 * @slices: one for each subset and family with addresses, owned; named "NAME/0", "NAME/1" and so
 *	on, as no slice can be named.
 * @is_skipped: by its label or as a leader election's record it is not to be mirrored.
 * @n_left_out: addresses beyond ENDPOINTS_MAX_ADDRESSES.
 */
struct mirror {
	struct k8s_slice **slices;
	size_t n_slices;
	bool is_skipped;
	size_t n_left_out;
};

/**
 * decode_endpoints() - read an Endpoints object (v1); otherwise as decode_service().
 *
 * Source: kubernetes 1.36, pkg/controller/endpointslicemirroring.
 * Free with mirror_free().
 */
int decode_endpoints(const struct cJSON *json, struct strings *pool, struct mirror **ret,
		     struct decode_error *ret_error);

/** mirror_free() - free the mirror and the slices that are still in it; NULL is fine. */
void mirror_free(struct strings *pool, struct mirror *mirror);

/**
 * mirror_slice_name() - name of the slice number @index of an Endpoints object.
 * @ret: owned by the caller, free(3). Return: 0 or -ENOMEM.
 */
int mirror_slice_name(const char *endpoints, size_t index, char **ret);

#endif

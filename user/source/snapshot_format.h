/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a snapshot, shared by its writer and its reader.
 *
 * A header of SNAPSHOT_HEADER_BYTES, little-endian; then the node, the Services and the slices;
 * then the table of strings. Objects are sequences of numbers and addresses (snapshot_bytes.h) in
 * the order in which snapshot_encode.c writes them; a string is its place in the table plus 1, 0 is
 * NULL. A string is its length, its bytes, and a NUL.
 *
 * The checksum is text_hash() of all behind it: 64 bits, of which every change within 8 bytes
 * changes at least one, and any other leaves all as they are with a chance of 2^-64. It finds
 * damage, not intent: the reader trusts no number all the same.
 */
#ifndef SVCBPF_SOURCE_SNAPSHOT_FORMAT_H
#define SVCBPF_SOURCE_SNAPSHOT_FORMAT_H

#include <stdint.h>

/* Changes with every change of the format or of a field's meaning. */
#define SNAPSHOT_VERSION 1

/* "SVCBPFSN" */
#define SNAPSHOT_MAGIC 0x4e53465042435653ull

/* Where the fields of the header are. */
#define SNAPSHOT_AT_MAGIC      0  /* u64 */
#define SNAPSHOT_AT_VERSION    8  /* u32 */
#define SNAPSHOT_AT_RESERVED   12 /* u32, 0 */
#define SNAPSHOT_AT_CHECKSUM   16 /* u64, of all from SNAPSHOT_AT_LEN on */
#define SNAPSHOT_AT_LEN	       24 /* u64, of the whole file */
#define SNAPSHOT_AT_SAVED      32 /* u64, seconds since the epoch */
#define SNAPSHOT_AT_STRINGS    40 /* u64, where the table begins */
#define SNAPSHOT_AT_N_STRINGS  48 /* u32 */
#define SNAPSHOT_AT_N_SERVICES 52 /* u32 */
#define SNAPSHOT_AT_N_SLICES   56 /* u32 */
#define SNAPSHOT_AT_NODE_NAME  60 /* u32, a string */
#define SNAPSHOT_HEADER_BYTES  64

/* Bits of a Service. */
#define SNAPSHOT_SERVICE_EXCLUDED	0x01u
#define SNAPSHOT_SERVICE_HEADLESS	0x02u
#define SNAPSHOT_SERVICE_UNALLOCATED	0x04u
#define SNAPSHOT_SERVICE_EXTERNAL_LOCAL 0x08u
#define SNAPSHOT_SERVICE_INTERNAL_LOCAL 0x10u
#define SNAPSHOT_SERVICE_ALGORITHM	0x60u /* enum k8s_algorithm, from bit 5 on */
#define SNAPSHOT_SERVICE_ALL		0x7fu

#define SNAPSHOT_ALGORITHM_SHIFT 5

/* Bits of an endpoint beside K8S_ENDPOINT_*. */
#define SNAPSHOT_ENDPOINT_HINTS 0x08u
#define SNAPSHOT_ENDPOINT_ALL	0x0fu

/* Fewest bytes of an object: what a count is checked against. */
#define SNAPSHOT_MIN_ADDR_BYTES	    1
#define SNAPSHOT_MIN_STRING_BYTES   2
#define SNAPSHOT_MIN_PORT_BYTES	    3
#define SNAPSHOT_MIN_ENDPOINT_BYTES 6
#define SNAPSHOT_MIN_SERVICE_BYTES  14
#define SNAPSHOT_MIN_SLICE_BYTES    8

#endif

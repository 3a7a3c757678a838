/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a pod was told where the API server is, or only where the Service "kubernetes" is. */
#ifndef SVCBPF_CMD_API_ADDRESS_H
#define SVCBPF_CMD_API_ADDRESS_H

#include "cmd/options.h"

#define API_ADDRESS_ERROR_MAX 512

/**
 * api_address_check() - look at what the environment says before anything is made.
 *
 * A pod's environment names the ClusterIP of the Service "kubernetes", unless its manifest names
 * the API server's own address instead. Through the ClusterIP the agent would need itself: while
 * kube-proxy serves it, all seems well, and ends with kube-proxy.
 *
 * kubelet tells the ClusterIP twice, and a manifest changes one of them (KUBERNETES_SERVICE_HOST):
 * the other, KUBERNETES_PORT, gives it away. A host name in both is what some providers set for the
 * API server itself. Nothing is wrong with another source, --server or --api-via-service.
 * Source: k8s.io/kubernetes/pkg/kubelet/envvars.
 * Return: 0; -EINVAL with a line in @ret_error.
 */
int api_address_check(const struct options *options, char ret_error[API_ADDRESS_ERROR_MAX]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* `svcbpf plan` from a folder of manifests to its output and exit status. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "capture.h"

#define WEB                                                                                        \
	"apiVersion: v1\nkind: Service\n"                                                          \
	"metadata: {name: web, namespace: default, creationTimestamp: \"2026-01-01T00:00:00Z\"}\n" \
	"spec:\n  clusterIP: 10.96.0.10\n  ports: [{name: http, port: 80, protocol: TCP}]\n"
#define SLICE                                                                                      \
	"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"                              \
	"metadata:\n  name: web-1\n  namespace: default\n"                                         \
	"  labels: {kubernetes.io/service-name: web}\n"                                            \
	"addressType: IPv4\nports: [{name: http, port: 8080, protocol: TCP}]\n"                    \
	"endpoints: [{addresses: [10.244.1.7], nodeName: N1}]\n"
#define BAD                                                                                        \
	"---\napiVersion: v1\nkind: Service\nmetadata: {name: bad, namespace: default}\n"          \
	"spec:\n  clusterIP: 10.96.0.11\n  ports: [{port: 70000}]\n"
#define RIVAL                                                                                      \
	"---\napiVersion: v1\nkind: Service\n"                                                     \
	"metadata: {name: rival, namespace: default, creationTimestamp: "                          \
	"\"2026-02-01T00:00:00Z\"}\n"                                                              \
	"spec:\n  clusterIP: 10.96.0.10\n  ports: [{name: http, port: 80, protocol: TCP}]\n"

#define PLAN                                                                                       \
	"{\"apiVersion\":\"svcbpf/v1\",\n\"node\":\"n1\",\n\"zone\":\"\",\n\"frontends\":[\n"      \
	"{\"service\":\"default/web\",\"portName\":\"http\",\"family\":\"IPv4\","                  \
	"\"protocol\":\"TCP\",\"type\":\"ClusterIP\",\"address\":\"10.96.0.10\",\"port\":80,"      \
	"\"policy\":\"Cluster\",\"algorithm\":\"random\",\"affinitySeconds\":0,\"sourceRanges\":[" \
	"],\"noBackends\":null,"                                                                   \
	"\"backends\":[{\"address\":\"10.244.1.7\",\"port\":8080,\"local\":false,"                 \
	"\"state\":\"ready\"}]}\n],\n\"healthChecks\":[]}\n"

/* Run plan over one file with this text. @where: gets its path. */
static struct capture plan(const char *text, const char *options, char where[64])
{
	char folder[] = "/tmp/svcbpf-test-XXXXXX";
	char words[256];
	struct capture capture;
	FILE *file;

	cr_assert(mkdtemp(folder));
	snprintf(where, 64, "%s/a.yaml", folder);
	file = fopen(where, "we");
	cr_assert(file);
	cr_assert_geq(fputs(text, file), 0);
	fclose(file);
	snprintf(words, sizeof(words), "plan --node-name n2 --node-name N1 --manifests %s %s",
		 folder, options);
	capture = capture_run(words);
	unlink(where);
	rmdir(folder);
	return capture;
}

Test(plan, prints_what_would_be_programmed)
{
	char where[64];
	struct capture capture = plan(WEB SLICE, "-o json", where);

	cr_expect_eq(capture.status, CMD_OK);
	cr_expect_str_eq(capture.out, PLAN, "got:\n%s", capture.out);
	cr_expect_str_empty(capture.err, "%s", capture.err);
	capture_clear(&capture);
}

Test(plan, a_refused_object_is_named_and_the_others_are_planned)
{
	char where[64];
	char expected[256];
	struct capture capture = plan(WEB SLICE BAD, "-o json", where);

	snprintf(expected, sizeof(expected),
		 "%s:23: Service default/bad: spec.ports[0].port: 70000 is not a port (1-65535)\n",
		 where);
	cr_expect_eq(capture.status, CMD_FAILED);
	cr_expect_str_eq(capture.out, PLAN, "got:\n%s", capture.out);
	cr_expect_str_eq(capture.err, expected, "got:\n%s", capture.err);
	capture_clear(&capture);
}

Test(plan, a_conflict_is_told)
{
	char where[64];
	struct capture capture = plan(WEB SLICE RIVAL, "-o json", where);

	cr_expect_eq(capture.status, CMD_OK);
	cr_expect_str_eq(capture.out, PLAN, "got:\n%s", capture.out);
	cr_expect(strncmp(capture.err, "svcbpf plan: default/rival: ", 28) == 0, "%s", capture.err);
	cr_expect(strstr(capture.err, "default/web"), "%s", capture.err);
	capture_clear(&capture);
}

Test(plan, service_filter)
{
	char where[64];
	struct capture capture = plan(WEB SLICE, "--service default/other", where);

	cr_expect_eq(capture.status, CMD_OK);
	cr_expect_str_eq(capture.out, "none\n");
	capture_clear(&capture);
}

/* As written for kubectl apply: an API server would allocate the ClusterIP, here nothing does. */
Test(plan, serves_NodePorts_of_a_Service_without_clusterIP)
{
	char where[64];
	struct capture capture =
		plan("kind: Service\nmetadata: {name: web}\nspec: {type: NodePort, "
		     "ports: [{port: 80, targetPort: 8080, nodePort: 30123}]}\n",
		     "-o json", where);

	cr_expect_eq(capture.status, 0);
	cr_expect(strstr(capture.out, "\"type\":\"NodePort\",\"address\":null,\"port\":30123"),
		  "%s", capture.out);
	cr_expect_not(strstr(capture.out, "ClusterIP"), "%s", capture.out);
	cr_expect(strstr(capture.err, "spec.clusterIP is missing"), "%s", capture.err);
	capture_clear(&capture);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Folders of manifests: what is told at first, what after a change, and what about bad documents.
 */
#include "unit/source/recorder.h"

#include <sys/stat.h>

static struct recorder recorder;

static void setup(void)
{
	recorder_open(&recorder);
}

static void teardown(void)
{
	recorder_close(&recorder);
}

TestSuite(manifests, .init = setup, .fini = teardown);

#define SERVICE(name, ip)                                                                          \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name "}\n"                              \
	"spec: {clusterIP: " ip ", ports: [{port: 80}]}\n"
#define SLICE(name, service, address)                                                              \
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"                                   \
	"metadata: {name: " name ", labels: {kubernetes.io/service-name: " service "}}\n"          \
	"addressType: IPv4\nports: [{port: 8080}]\nendpoints: [{addresses: [" address "]}]\n"
#define ENDPOINTS(name, addresses)                                                                 \
	"apiVersion: v1\nkind: Endpoints\nmetadata: {name: " name "}\n"                            \
	"subsets: [{addresses: [" addresses "], ports: [{port: 8080}]}]\n"

Test(manifests, an_empty_folder_is_synced)
{
	EXPECT_LOAD(&recorder, "synced\n");
	EXPECT_LOAD(&recorder, "synced\n");
}

Test(manifests, yaml_and_json_count_and_hidden_files_and_folders_do_not)
{
	char path[128];

	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.1"));
	recorder_write(&recorder, "b.yml", SERVICE("b", "10.96.0.2"));
	recorder_write(&recorder, "c.json",
		       "{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"c\","
		       "\"namespace\":\"d\"},\"spec\":{\"clusterIP\":\"fd00::1\",\"ports\":[{"
		       "\"name\":\"x\",\"port\":1}]}}");
	recorder_write(&recorder, ".hidden.yaml", SERVICE("d", "10.96.0.4"));
	recorder_write(&recorder, "e.txt", SERVICE("e", "10.96.0.5"));
	recorder_write(&recorder, "f.yaml~", SERVICE("f", "10.96.0.6"));
	snprintf(path, sizeof(path), "%s/folder.yaml", recorder.folder);
	cr_assert_eq(mkdir(path, 0700), 0);
	EXPECT_LOAD(&recorder, "+service default/a 10.96.0.1 :80\n"
			       "+service default/b 10.96.0.2 :80\n"
			       "+service d/c fd00::1 x:1\n"
			       "synced\n");
}

Test(manifests, documents_and_lists_are_taken_apart_and_other_kinds_left)
{
	recorder_write(&recorder, "a.yaml",
		       "# comment\n---\n" SERVICE("a", "10.96.0.1") "---\n" SLICE(
			       "a-1", "a", "10.0.0.1") "---\napiVersion: v1\nkind: ConfigMap\n"
						       "metadata: {name: c}\n---\n"
						       "apiVersion: serving.knative.dev/v1\nkind: "
						       "Service\nmetadata: {name: knative}\n");
	recorder_write(&recorder, "b.yaml",
		       "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: "
		       "{name: b}\n  spec: {clusterIP: 10.96.0.2, ports: [{port: 1}]}\n- "
		       "apiVersion: v1\n  kind: Pod\n  metadata: {name: p}\nkind: List\n");
	recorder_write(&recorder, "c.json",
		       "{\"kind\":\"EndpointSliceList\",\"apiVersion\":\"discovery.k8s.io/v1\","
		       "\"metadata\":{},\"items\":[{\"metadata\":{\"name\":\"b-1\"},"
		       "\"addressType\":\"IPv6\",\"endpoints\":null,\"ports\":null}]}");
	EXPECT_LOAD(&recorder, "+service default/a 10.96.0.1 :80\n"
			       "+slice default/a-1 a :8080 10.0.0.1\n"
			       "+service default/b 10.96.0.2 :1\n"
			       "+slice default/b-1 none\n"
			       "synced\n");
	cr_expect_eq(manifests_n_rejected(recorder.manifests), 0);
}

Test(manifests, only_differences_are_told)
{
	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.1"));
	recorder_write(&recorder, "b.yaml", SERVICE("b", "10.96.0.2"));
	EXPECT_LOAD(&recorder, "+service default/a 10.96.0.1 :80\n"
			       "+service default/b 10.96.0.2 :80\nsynced\n");
	recorder_write(&recorder, "a.yaml", "# a comment\n" SERVICE("a", "10.96.0.1"));
	EXPECT_LOAD(&recorder, "synced\n");
	/* as long as before: only the times differ, if at all */
	recorder_write(&recorder, "b.yaml", SERVICE("b", "10.96.0.3"));
	EXPECT_LOAD(&recorder, "+service default/b 10.96.0.3 :80\nsynced\n");
	recorder_write(&recorder, "b.yaml", SERVICE("b", "10.96.0.4"));
	EXPECT_LOAD(&recorder, "+service default/b 10.96.0.4 :80\nsynced\n");
	recorder_unlink(&recorder, "a.yaml");
	recorder_write(&recorder, "b.yaml", SERVICE("c", "10.96.0.4"));
	EXPECT_LOAD(&recorder, "-service default/a\n-service default/b\n"
			       "+service default/c 10.96.0.4 :80\nsynced\n");
	/* moved to another file: the same object */
	recorder_unlink(&recorder, "b.yaml");
	recorder_write(&recorder, "z.yaml", SERVICE("c", "10.96.0.4"));
	EXPECT_LOAD(&recorder, "synced\n");
}

Test(manifests, a_bad_document_keeps_its_last_good_state_and_touches_no_other)
{
	recorder_write(&recorder, "a.yaml",
		       SERVICE("a", "10.96.0.1") "---\n" SERVICE("b", "10.96.0.2"));
	EXPECT_LOAD(&recorder, "+service default/a 10.96.0.1 :80\n"
			       "+service default/b 10.96.0.2 :80\nsynced\n");
	recorder_write(&recorder, "a.yaml",
		       "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  clusterIP: "
		       "10.96.0.1\n  ports:\n  - port: 70000\n---\n" SERVICE("b", "10.96.0.3"));
	EXPECT_LOAD(&recorder, "rejected a.yaml:7 [Service default/a] spec.ports[0].port: 70000 is "
			       "not a port (1-65535)\n"
			       "+service default/b 10.96.0.3 :80\nsynced\n");
	cr_expect_eq(manifests_n_rejected(recorder.manifests), 1);
	/* said once */
	EXPECT_LOAD(&recorder, "synced\n");
	cr_expect_eq(manifests_n_rejected(recorder.manifests), 1);
	/* the same as it was before: nothing to tell */
	recorder_write(&recorder, "a.yaml",
		       SERVICE("a", "10.96.0.1") "---\n" SERVICE("b", "10.96.0.3"));
	EXPECT_LOAD(&recorder, "synced\n");
	cr_expect_eq(manifests_n_rejected(recorder.manifests), 0);
}

Test(manifests, a_bad_document_is_left_out_at_first)
{
	recorder_write(&recorder, "a.yaml",
		       SERVICE("a", "10.96.0.256") "---\n" SERVICE("b", "10.96.0.2"));
	recorder_write(&recorder, "b.json", "{\n  \"kind\": \"Service\",\n}\n");
	recorder_write(&recorder, "c.yaml",
		       "kind: Service\n---\nmetadata: {name: c}\n---\n- 1\n---\napiVersion: "
		       "discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: s}\n");
	EXPECT_LOAD(&recorder,
		    "rejected a.yaml:4 [Service default/a] spec.clusterIP: \"10.96.0.256\" is not "
		    "an IP address\n"
		    "rejected b.json:3 [] column 1: not JSON: a name in double quotes is missing\n"
		    "rejected c.yaml:1 [] metadata.name: missing\n"
		    "rejected c.yaml:3 [] kind is missing\n"
		    "rejected c.yaml:5 [] not an object: kind is missing\n"
		    "rejected c.yaml:7 [] apiVersion discovery.k8s.io/v1beta1 of EndpointSlice is "
		    "not read; write it as discovery.k8s.io/v1\n"
		    "+service default/b 10.96.0.2 :80\nsynced\n");
	cr_expect_eq(manifests_n_rejected(recorder.manifests), 6);
	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.1"));
	EXPECT_LOAD(&recorder, "-service default/b\n+service default/a 10.96.0.1 :80\nsynced\n");
}

Test(manifests, a_broken_text_keeps_all_that_may_have_been_in_it)
{
	recorder_write(&recorder, "a.yaml",
		       SERVICE("a", "10.96.0.1") "---\n" SERVICE("b", "10.96.0.2"));
	recorder_write(&recorder, "c.yaml", SERVICE("c", "10.96.0.3"));
	EXPECT_LOAD(&recorder, "+service default/a 10.96.0.1 :80\n"
			       "+service default/b 10.96.0.2 :80\n"
			       "+service default/c 10.96.0.3 :80\nsynced\n");
	/* b cannot be read; a is changed and c, of another file, gone */
	recorder_write(&recorder, "a.yaml",
		       SERVICE("a", "10.96.0.9") "---\nkind: Service\n x: {\n");
	recorder_unlink(&recorder, "c.yaml");
	EXPECT_LOAD(&recorder,
		    "rejected a.yaml:7 [] column 3: not YAML: mapping values are not allowed in "
		    "this context\n"
		    "-service default/c\n"
		    "+service default/a 10.96.0.9 :80\nsynced\n");
	recorder_write(&recorder, "a.yaml", "kind: [\n");
	EXPECT_LOAD(&recorder,
		    "rejected a.yaml:2 [] column 1: not YAML: did not find expected node content "
		    "(while parsing a flow node that begins at line 2)\nsynced\n");
	/* what moved elsewhere is not held back */
	recorder_write(&recorder, "b.yaml", SERVICE("b", "10.96.0.8"));
	EXPECT_LOAD(&recorder, "+service default/b 10.96.0.8 :80\nsynced\n");
	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.9"));
	EXPECT_LOAD(&recorder, "synced\n");
	recorder_unlink(&recorder, "a.yaml");
	EXPECT_LOAD(&recorder, "-service default/a\nsynced\n");
}

Test(manifests, an_empty_file_is_no_broken_one)
{
	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.1"));
	EXPECT_LOAD(&recorder, "+service default/a 10.96.0.1 :80\nsynced\n");
	recorder_write(&recorder, "a.yaml", "");
	EXPECT_LOAD(&recorder, "-service default/a\nsynced\n");
}

Test(manifests, of_two_the_later_counts_and_the_other_is_told)
{
	recorder_write(&recorder, "a.yaml", SERVICE("x", "10.96.0.1"));
	recorder_write(&recorder, "b.yaml", "\n" SERVICE("x", "10.96.0.2"));
	EXPECT_LOAD(&recorder, "rejected a.yaml:1 [Service default/x] stands again at b.yaml:2, "
			       "which counts instead\n"
			       "+service default/x 10.96.0.2 :80\nsynced\n");
	cr_expect_eq(manifests_n_rejected(recorder.manifests), 1);
	/* said once */
	EXPECT_LOAD(&recorder, "synced\n");
	/* the first comes back although its file did not change */
	recorder_unlink(&recorder, "b.yaml");
	EXPECT_LOAD(&recorder, "+service default/x 10.96.0.1 :80\nsynced\n");
	cr_expect_eq(manifests_n_rejected(recorder.manifests), 0);
	recorder_write(&recorder, "0.yaml",
		       SERVICE("x", "10.96.0.3") "---\n" SERVICE("x", "10.96.0.4"));
	EXPECT_LOAD(&recorder, "rejected 0.yaml:1 [Service default/x] stands again at 0.yaml:6, "
			       "which counts instead\n"
			       "rejected 0.yaml:6 [Service default/x] stands again at a.yaml:1, "
			       "which counts instead\nsynced\n");
}

Test(manifests, Endpoints_stand_in_for_slices)
{
	recorder_write(&recorder, "e.yaml",
		       ENDPOINTS("web", "{ip: 10.0.0.1}, {ip: 'fd00::1'}, {ip: 10.0.0.2}"));
	/* the control plane waits for the Service, too */
	EXPECT_LOAD(&recorder, "synced\n");
	recorder_write(&recorder, "s.yaml", SERVICE("web", "10.96.0.1"));
	EXPECT_LOAD(&recorder, "+slice default/web/0 web :8080 10.0.0.1 10.0.0.2\n"
			       "+slice default/web/1 web :8080 fd00::1\n"
			       "+service default/web 10.96.0.1 :80\nsynced\n");
	recorder_write(&recorder, "e.yaml", ENDPOINTS("web", "{ip: 10.0.0.3}"));
	EXPECT_LOAD(&recorder, "-slice default/web/1\n"
			       "+slice default/web/0 web :8080 10.0.0.3\nsynced\n");
	/* a slice takes their place, and gives it back */
	recorder_write(&recorder, "t.yaml", SLICE("web-x", "web", "10.0.0.9"));
	EXPECT_LOAD(&recorder, "-slice default/web/0\n"
			       "+slice default/web-x web :8080 10.0.0.9\nsynced\n");
	recorder_write(&recorder, "t.yaml", SLICE("web-x", "other", "10.0.0.9"));
	EXPECT_LOAD(&recorder, "+slice default/web/0 web :8080 10.0.0.3\n"
			       "+slice default/web-x other :8080 10.0.0.9\nsynced\n");
	recorder_unlink(&recorder, "e.yaml");
	EXPECT_LOAD(&recorder, "-slice default/web/0\nsynced\n");
}

Test(manifests, Endpoints_of_a_Service_with_a_selector_are_left_out)
{
	static const char with_selector[] =
		"kind: Service\nmetadata: {name: web}\n"
		"spec: {clusterIP: 10.96.0.1, selector: {app: x}, ports: [{port: 80}]}\n";

	char where[128];

	recorder_write(&recorder, "e.yaml", ENDPOINTS("web", "{ip: 10.0.0.1}"));
	recorder_write(&recorder, "s.yaml", SERVICE("web", "10.96.0.1"));
	EXPECT_LOAD(&recorder, "+slice default/web/0 web :8080 10.0.0.1\n"
			       "+service default/web 10.96.0.1 :80\nsynced\n");
	recorder_write(&recorder, "s.yaml", with_selector);
	EXPECT_LOAD(&recorder,
		    "rejected e.yaml:1 [Endpoints default/web] left out: its Service has a "
		    "selector, and Endpoints are mirrored only for Services without; write an "
		    "EndpointSlice instead\n"
		    "-slice default/web/0\n+service default/web 10.96.0.1 :80\nsynced\n");
	EXPECT_LOAD(&recorder, "synced\n");
	cr_expect_eq(manifests_n_rejected(recorder.manifests), 0, "no mistake of the object's");
	snprintf(where, sizeof(where), "%s/e.yaml:1", recorder.folder);
	cr_expect_neq(manifests_reject_state(recorder.manifests, where), 0);
	recorder_write(&recorder, "s.yaml", SERVICE("web", "10.96.0.1"));
	EXPECT_LOAD(&recorder, "+slice default/web/0 web :8080 10.0.0.1\n"
			       "+service default/web 10.96.0.1 :80\nsynced\n");
	cr_expect_eq(manifests_reject_state(recorder.manifests, where), 0);
}

Test(manifests, only_the_own_node_counts)
{
	recorder_write(&recorder, "n.yaml",
		       "kind: Node\nmetadata: {name: n1, labels: {topology.kubernetes.io/zone: a}}"
		       "\n---\nkind: Node\nmetadata: {name: n2}\nspec: {taints: [1]}\n");
	EXPECT_LOAD(&recorder, "node n1 zone a\nsynced\n");
	recorder_write(&recorder, "n.yaml", "kind: Node\nmetadata: {name: n2}\n");
	EXPECT_LOAD(&recorder, "node none zone none\nsynced\n");
}

Test(manifests, a_Service_without_address_is_pointed_out)
{
	recorder_write(
		&recorder, "a.yaml",
		"kind: Service\nmetadata: {name: web}\nspec:\n  type: NodePort\n  ports: "
		"[{port: 80, nodePort: 30123}]\n---\nkind: Service\nmetadata: {name: h}\n"
		"spec: {clusterIP: None}\n---\nkind: Service\nmetadata: {name: x}\nspec: "
		"{type: ExternalName, externalName: a.example}\n---\nkind: Service\nmetadata: "
		"{name: in}\nspec: {ports: [{port: 80}]}\n");
	EXPECT_LOAD(
		&recorder,
		"rejected a.yaml:4 [Service default/web] spec.clusterIP is missing, and no API "
		"server allocates one here: served on its other addresses only\n"
		"rejected a.yaml:17 [Service default/in] spec.clusterIP is missing: without an "
		"API server nothing allocates it, and without it the Service is not served; add "
		"one\n"
		"+service default/web unallocated :80\n"
		"+service default/h headless\n"
		"+service default/x headless\n"
		"+service default/in unallocated :80\nsynced\n");
	cr_expect_eq(manifests_n_rejected(recorder.manifests), 0, "it follows the rules");
}

Test(manifests, a_file_that_cannot_be_read_keeps_its_objects)
{
	char path[128], target[128];

	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.1"));
	EXPECT_LOAD(&recorder, "+service default/a 10.96.0.1 :80\nsynced\n");
	/* root reads all; a file that is too large is as good */
	snprintf(path, sizeof(path), "%s/a.yaml", recorder.folder);
	cr_assert_eq(truncate(path, 1L << 30), 0);
	EXPECT_LOAD(&recorder, "rejected a.yaml [] the file is too large\nsynced\n");
	cr_expect_eq(manifests_n_rejected(recorder.manifests), 1);
	EXPECT_LOAD(&recorder, "synced\n");
	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.1"));
	EXPECT_LOAD(&recorder, "synced\n");
	/* a dangling link is a file that vanished */
	snprintf(target, sizeof(target), "%s/b.yaml", recorder.folder);
	recorder_unlink(&recorder, "a.yaml");
	cr_assert_eq(symlink("nowhere", target), 0);
	EXPECT_LOAD(&recorder, "-service default/a\nsynced\n");
}

Test(manifests, a_missing_path_is_an_error_and_changes_nothing)
{
	char gone[128];

	recorder_write(&recorder, "a.yaml", SERVICE("a", "10.96.0.1"));
	EXPECT_LOAD(&recorder, "+service default/a 10.96.0.1 :80\nsynced\n");
	snprintf(gone, sizeof(gone), "%s.gone", recorder.folder);
	cr_assert_eq(rename(recorder.folder, gone), 0);
	recorder.log[0] = '\0';
	cr_expect_eq(manifests_load(recorder.manifests), -ENOENT);
	cr_expect_str_eq(recorder.log, "");
	cr_assert_eq(rename(gone, recorder.folder), 0);
	EXPECT_LOAD(&recorder, "synced\n");
}

Test(manifests, what_a_callback_refused_is_told_again)
{
	static const char *const fails[] = {"+service default/a", "+slice", "synced"};

	for (size_t i = 0; i < 3; i++) {
		char text[512];

		snprintf(text, sizeof(text),
			 SERVICE("a", "10.96.0.%zu") "---\n" SLICE("a-1", "a", "10.0.0.%zu"), i + 1,
			 i + 1);
		recorder_write(&recorder, "a.yaml", text);
		recorder.fail = fails[i];
		recorder.log[0] = '\0';
		cr_expect_eq(manifests_load(recorder.manifests), -EIO);
		recorder.log[0] = '\0';
		cr_expect_eq(manifests_load(recorder.manifests), 0);
		cr_expect_not_null(strstr(recorder.log, fails[i]), "%s: %s", fails[i],
				   recorder.log);
	}
	recorder_unlink(&recorder, "a.yaml");
	recorder.fail = "-slice";
	cr_expect_eq(manifests_load(recorder.manifests), -EIO);
	EXPECT_LOAD(&recorder, "-slice default/a-1\nsynced\n");
}

Test(manifests, what_was_told_can_be_asked_for)
{
	char where[128];

	recorder_write(&recorder, "a.yaml", "kind: Service\nmetadata:\n  name: Bad\n");
	recorder_write(&recorder, "b.yaml", "kind: Service\nmetadata: {name: b}\nspec: {}\n");
	cr_assert_eq(manifests_load(recorder.manifests), 0);
	snprintf(where, sizeof(where), "%s/a.yaml:3", recorder.folder);
	cr_expect_neq(manifests_reject_state(recorder.manifests, where), 0);
	snprintf(where, sizeof(where), "%s/a.yaml:1", recorder.folder);
	cr_expect_eq(manifests_reject_state(recorder.manifests, where), 0);
	snprintf(where, sizeof(where), "%s/b.yaml:3", recorder.folder);
	cr_expect_neq(manifests_reject_state(recorder.manifests, where), 0);
	recorder_write(&recorder, "b.yaml",
		       "kind: Service\nmetadata: {name: b}\nspec: {clusterIP: None}\n");
	cr_assert_eq(manifests_load(recorder.manifests), 0);
	cr_expect_eq(manifests_reject_state(recorder.manifests, where), 0);
}

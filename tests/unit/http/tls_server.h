/* SPDX-License-Identifier: Apache-2.0 */
/* A TLS server of its own process (openssl s_server), and certificates made for the test. */
#ifndef TESTS_UNIT_HTTP_TLS_SERVER_H
#define TESTS_UNIT_HTTP_TLS_SERVER_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"

/** TLS_SERVER_NAMES - those of the server's certificate. */
#define TLS_SERVER_NAMES "DNS:kubernetes,IP:127.0.0.1"

/** struct tls_files - a folder of certificates: ca, other (another authority), server, client. */
struct tls_files {
	char folder[64];
};

/** struct tls_server - @port: where it listens, on 127.0.0.1. */
struct tls_server {
	pid_t pid;
	FILE *output;
	unsigned int port;
};

static const char tls_make[] =
	"set -e; cd \"$0\"; curve='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days "
	"2'\n"
	"for ca in ca other; do\n"
	"	openssl req -x509 $curve -subj /CN=$ca -keyout $ca.key -out $ca.pem\n"
	"done\n"
	"openssl req -x509 $curve -CA ca.pem -CAkey ca.key -subj /CN=server \\\n"
	"	-addext subjectAltName=\"$1\" -addext basicConstraints=critical,CA:false \\\n"
	"	-keyout server.key -out server.pem\n"
	"openssl req -x509 $curve -CA ca.pem -CAkey ca.key -subj /CN=client \\\n"
	"	-addext basicConstraints=critical,CA:false -keyout client.key -out client.pem\n"
	"openssl ec -in client.key -aes256 -passout pass:secret -out encrypted.key\n";

/** tls_files_make() - all of them, in a folder of their own under /tmp. */
static inline void tls_files_make(struct tls_files *files)
{
	int status;
	pid_t pid;

	snprintf(files->folder, sizeof(files->folder), "/tmp/svcbpf-tls-%d-XXXXXX", getpid());
	cr_assert_not_null(mkdtemp(files->folder));
	pid = fork();
	if (pid == 0) {
		int fd = open("/dev/null", O_RDWR);

		dup2(fd, STDERR_FILENO);
		execlp("sh", "sh", "-c", tls_make, files->folder, TLS_SERVER_NAMES, NULL);
		_exit(127);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0, "making certificates in %s failed: is openssl installed?",
		     files->folder);
}

/** tls_files_remove() - the folder is gone. */
static inline void tls_files_remove(const struct tls_files *files)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("rm", "rm", "-r", files->folder, NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

/** tls_file() - the text of a file; free(3). */
static inline char *tls_file(const struct tls_files *files, const char *name)
{
	_fclose_ FILE *file = NULL;
	_free_ char *text = calloc(1, 8192);
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", files->folder, name);
	file = fopen(path, "re");
	cr_assert_not_null(file, "%s", path);
	cr_assert_gt(fread(text, 1, 8191, file), 0);
	return TAKE_PTR(text);
}

/* In the child: becomes the server, and does not outlive the test. */
static inline void tls_server_run(const struct tls_files *files, const char *client_ca, int output)
{
	const char *argv[] = {"openssl", "s_server",   "-www", "-accept",    "127.0.0.1:0",
			      "-cert",	 "server.pem", "-key", "server.key", NULL,
			      NULL,	 NULL,	       NULL,   NULL,	     NULL};
	size_t n = 9;

	if (client_ca) {
		argv[n++] = "-CAfile";
		argv[n++] = client_ca;
		argv[n++] = "-Verify";
		argv[n++] = "1";
		argv[n++] = "-verify_return_error";
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chdir(files->folder) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
	    dup2(output, STDERR_FILENO) < 0)
		_exit(127);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

/**
 * tls_server_start() - answers every request with status 200 and a page about the connection.
 * @client_ca: clients must have a certificate of it (a file of @files); NULL: they need none.
 */
static inline void tls_server_start(struct tls_server *server, const struct tls_files *files,
				    const char *client_ca)
{
	char line[256];
	int fds[2];

	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	server->pid = fork();
	if (server->pid == 0)
		tls_server_run(files, client_ca, fds[1]);
	close(fds[1]);
	server->output = fdopen(fds[0], "r");
	server->port = 0;
	while (!server->port && fgets(line, sizeof(line), server->output))
		sscanf(line, "ACCEPT 127.0.0.1:%u", &server->port);
	cr_assert_neq(server->port, 0, "openssl s_server did not start");
}

/** tls_server_stop() - ends it; one that was not started is fine. */
static inline void tls_server_stop(struct tls_server *server)
{
	if (server->pid <= 0)
		return;
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	fclose(server->output);
}

#endif

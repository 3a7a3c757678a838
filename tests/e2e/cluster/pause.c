/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of a pod: keeps the pod's namespaces, takes over and reaps what its containers
 * leave behind, and ends at once when told so (the kernel ignores SIGTERM for a first process
 * without a handler: a pod would then take its whole grace period to end).
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	sigset_t set;
	int signal = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return EXIT_FAILURE;
	for (;;) {
		if (sigwait(&set, &signal) != 0)
			return EXIT_FAILURE;
		if (signal != SIGCHLD)
			return EXIT_SUCCESS;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

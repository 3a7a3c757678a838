/* SPDX-License-Identifier: Apache-2.0 */
/* Owned locals: freed or closed when they leave scope, given away by TAKE_PTR and TAKE_FD. */
#ifndef SVCBPF_UTIL_CLEANUP_H
#define SVCBPF_UTIL_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/** _cleanup_() - call @fn with a pointer to the variable when it goes out of scope. */
#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/** _free_, _close_, _fclose_, _closedir_ - the usual owners; initialise to NULL or -1. */
#define _free_	   _cleanup_(cleanup_free)
#define _close_	   _cleanup_(cleanup_close)
#define _fclose_   _cleanup_(cleanup_fclose)
#define _closedir_ _cleanup_(cleanup_closedir)

/** TAKE_PTR() - the pointer, which the variable no longer owns. */
#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__auto_type take_ptr_ = (p);                                                       \
		(p) = NULL;                                                                        \
		take_ptr_;                                                                         \
	})

/** TAKE_FD() - the file descriptor, which the variable no longer owns. */
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int take_fd_ = (fd);                                                               \
		(fd) = -1;                                                                         \
		take_fd_;                                                                          \
	})

/** ARRAY_SIZE() - number of elements of a true array. */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif

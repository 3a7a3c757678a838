/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Error numbers, which vmlinux.h does not have: they are macros. */
#ifndef SVCBPF_BPF_ERRNO_H
#define SVCBPF_BPF_ERRNO_H

#include "lib/compat.h"

#ifndef EPERM
#define EPERM 1
#endif
#ifndef EAGAIN
#define EAGAIN 11
#endif
#ifndef ENOMEM
#define ENOMEM 12
#endif
#ifndef EFAULT
#define EFAULT 14
#endif
#ifndef EBUSY
#define EBUSY 16
#endif
#ifndef EEXIST
#define EEXIST 17
#endif
#ifndef EINVAL
#define EINVAL 22
#endif
#ifndef ENOSPC
#define ENOSPC 28
#endif
#ifndef ENOTSUP
#define ENOTSUP 95
#endif

#endif

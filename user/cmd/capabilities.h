/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent gives up once it has all it needs open; svcbpf(8), CAPABILITIES. */
#ifndef SVCBPF_CMD_CAPABILITIES_H
#define SVCBPF_CMD_CAPABILITIES_H

/**
 * capabilities_drop() - keep only what the event loop needs, log what that is.
 *
 * To be called by the main thread after datapath_open(), which makes the threads that keep more or
 * less than this, and before the source is read: what cannot be read without CAP_DAC_OVERRIDE is
 * then found at once and not by the first reload. A failure is logged (warning) and the agent goes
 * on with what it has.
 */
void capabilities_drop(void);

#endif

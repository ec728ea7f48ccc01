/* The sessions that bring the same model at once, and what of it is dealt to whom
 * (edge_upload_share.h): each is told what others bring.
 *
 * Internal to the Upload service.
 *
 * Threads: the receiver. */
#ifndef EDGE_UPLOAD_SESSION_SHARE_H
#define EDGE_UPLOAD_SESSION_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_clock.h"
#include "edge/upload/edge_upload_session.h"

/* How often it is looked at how sessions fare. */
#define EDGE_UPLOAD_SHARE_LOOK_NS (100 * LL_NS_PER_MS)

/* Whether other sessions bring the session's model: then it is told what they bring before it may
 * send anything. */
bool edge_upload_session_shares(const struct edge_upload_session *session);

/* Deals anew where something has changed or it is time to look; harmless otherwise. Sets when to
 * come again (`share_next_ns`), LL_CLOCK_NEVER while no model is brought by several sessions. */
void edge_upload_sessions_share(struct edge_upload_sessions *sessions, int64_t now_ns);

#endif

/* The mark of an earlier delivery: who has had this message already gets it no second time. */
#ifndef PROC_DELIVERED_BEFORE_H
#define PROC_DELIVERED_BEFORE_H

#include "mime/mime_message.h"
#include "plan/accept.h"

/*
 * Sets "delivered" of those whose address is in a Delivered-To field: of a mailbox here however it is spelt,
 * of one elsewhere only as it is written.
 */
void delivered_before(struct accept_recipient *v, size_t n, const struct mime_facts *facts);

#endif

/* What the words of a reply say about its cause, where its status code says too little. */
#ifndef QUEUE_WORDS_H
#define QUEUE_WORDS_H

#include "queue/queue_reason.h"

/*
 * Looks into the text of a reply, 4xx where the class of its status is 4, else 5xx, for words that the
 * large providers and the common servers use. False: it has none of them, or only such as say less
 * than the status does. Words choose what a person is told and never what becomes of the message: that
 * is the code's. But a server that was only asked for a recipient may refuse him by its words (store/callout.h).
 */
bool queue_words_find(struct str reply, struct queue_status status, struct queue_reason *reason_r);

#endif

/* What the words of a reply say about its cause, where its status code says too little. */
#ifndef QUEUE_WORDS_H
#define QUEUE_WORDS_H

#include "queue/queue_reason.h"

/*
 * Looks into the text of a reply, 4xx or 5xx as class says, for words that the large providers and the
 * common servers use. False: it has none of them. Words choose what a person is told and never what
 * becomes of the message: that is the code's.
 */
bool queue_words_find(struct str reply, uint8_t class, struct queue_reason *reason_r);

#endif

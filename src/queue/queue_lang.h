/* The language in which a person is written to: by a tag, or as his message shows. */
#ifndef QUEUE_LANG_H
#define QUEUE_LANG_H

#include "queue/queue_phrase.h"

/*
 * By a language tag, case ignored: "en", "en-GB", "zh-Hans", "zh-CN", "zh-TW" ... [RFC 5646]. False:
 * one that is not spoken here.
 */
bool queue_lang_by_tag(struct str tag, enum queue_lang *lang_r);

/*
 * By a message's header (what is behind it is not looked at): the first language that is spoken here
 * of Accept-Language, which names those that the author reads, then of Content-Language
 * [RFC 3282 2, 3], then what Subject is written in, if that is Chinese. False: none of them tells.
 */
bool queue_lang_of_message(struct str message, enum queue_lang *lang_r);

#endif

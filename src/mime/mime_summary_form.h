/* What writer and reader of a summary agree on. */
#ifndef MIME_SUMMARY_FORM_H
#define MIME_SUMMARY_FORM_H

/*
 * Form 1. Numbers are base 128, lowest group first, the highest bit set on all but the last octet.
 * A text is its length plus one and its octets; 0 stands for no text. Flags are one octet.
 *
 *   summary  = version flags(1 incomplete) size lines facts thread count 1*part
 *   facts    = fields received from flags(in order of struct mime_facts) longest *text 0
 *   thread   = u64 subject, u64 id, count, *u64 refs
 *   part     = parent kind encoding header_offset header_size body_size lines type subtype *param 0
 *              id description md5 language location disposition *param 0
 *              flags(1 envelope) [envelope]
 *   param    = name value
 *   envelope = flags(1 date, 2 zone unknown) [u64 ms, zone + 1440]
 *              subject date message_id in_reply_to references 6list
 *   list     = *(kind name local domain) 3 bad flags(1 truncated)
 */
#define MIME_SUMMARY_VERSION_NOW 1

#define MIME_SUMMARY_LIST_END 3    /* where the kind of an address would stand */
#define MIME_SUMMARY_PART_MIN 16   /* octets a part takes at least */
#define MIME_SUMMARY_ZONE     1440 /* added to a zone, so that it is no negative number */

#endif

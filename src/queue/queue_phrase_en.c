/*
 * English. What is put in: of days and units nothing or a number; of times %1 time, %2 weekday, %3
 * day, %4 month, %5 year; else as the comment above each group says.
 */
#include "queue/queue_phrase_table.h"

/* clang-format off */
const char *const queue_phrase_en[QUEUE_PHRASES] = {
	[QUEUE_PHRASE_SUNDAY] = "Sunday",
	[QUEUE_PHRASE_MONDAY] = "Monday",
	[QUEUE_PHRASE_TUESDAY] = "Tuesday",
	[QUEUE_PHRASE_WEDNESDAY] = "Wednesday",
	[QUEUE_PHRASE_THURSDAY] = "Thursday",
	[QUEUE_PHRASE_FRIDAY] = "Friday",
	[QUEUE_PHRASE_SATURDAY] = "Saturday",
	[QUEUE_PHRASE_JANUARY] = "January",
	[QUEUE_PHRASE_FEBRUARY] = "February",
	[QUEUE_PHRASE_MARCH] = "March",
	[QUEUE_PHRASE_APRIL] = "April",
	[QUEUE_PHRASE_MAY] = "May",
	[QUEUE_PHRASE_JUNE] = "June",
	[QUEUE_PHRASE_JULY] = "July",
	[QUEUE_PHRASE_AUGUST] = "August",
	[QUEUE_PHRASE_SEPTEMBER] = "September",
	[QUEUE_PHRASE_OCTOBER] = "October",
	[QUEUE_PHRASE_NOVEMBER] = "November",
	[QUEUE_PHRASE_DECEMBER] = "December",

	[QUEUE_PHRASE_TIME_TODAY] = "at %1",
	[QUEUE_PHRASE_TIME_DAY] = "on %2 %3 %4 at %1",
	[QUEUE_PHRASE_TIME_YEAR] = "on %2 %3 %4 %5 at %1",
	[QUEUE_PHRASE_DAY] = "1 day",
	[QUEUE_PHRASE_DAYS] = "%1 days",
	[QUEUE_PHRASE_HOUR] = "1 hour",
	[QUEUE_PHRASE_HOURS] = "%1 hours",
	[QUEUE_PHRASE_MINUTE] = "1 minute",
	[QUEUE_PHRASE_MINUTES] = "%1 minutes",
	[QUEUE_PHRASE_SECOND] = "1 second",
	[QUEUE_PHRASE_SECONDS] = "%1 seconds",
	[QUEUE_PHRASE_SPAN_AND] = "%1 and %2",
	[QUEUE_PHRASE_ATTEMPT] = "1 attempt",
	[QUEUE_PHRASE_ATTEMPTS] = "%1 attempts",
	[QUEUE_PHRASE_CONNECTION] = "1 connection",
	[QUEUE_PHRASE_CONNECTIONS] = "%1 connections",

	/* %1 recipient, %2 destination, %3 last reply, %4 "3 attempts" or connections, %5 when */
	[QUEUE_PHRASE_WAIT_UNREACHABLE] = "%1 waits because %2 could not be reached (%3, %4, last "
	    "%5).",
	[QUEUE_PHRASE_WAIT_UNUSABLE] = "%1 waits because the connection to %2 could not be used (%3, %4, last %5).",
	[QUEUE_PHRASE_WAIT_NO_SERVICE] =
	    "%1 waits because %2 takes no mail at present (it answered \"%3\", %4, last %5).",
	/* %1 server that is named for mail to %2 */
	[QUEUE_PHRASE_ROUTE] = "the server %1 through which mail for %2 is sent",
	/* as before */
	[QUEUE_PHRASE_WAIT_REFUSED] =
	    "%1 waits because %2 has not accepted the message yet (it answered \"%3\", %4, last "
	    "%5).",
	[QUEUE_PHRASE_WAIT_BROKEN] =
	    "%1 waits because the message could not be transferred to %2 (%3, %4, last %5).",
	[QUEUE_PHRASE_WAIT_SESSIONS] =
	    "%1 waits because %2 has as many connections as it may have at present (%4).",
	/* the same, %2 its mail server, as the next has it if others are known: %1 server, %2 another domain */
	[QUEUE_PHRASE_WAIT_HOST_UNREACHABLE] =
	    "%1 waits because its mail server %2 could not be reached (%3, %4, last %5).",
	[QUEUE_PHRASE_WAIT_HOST_UNUSABLE] = "%1 waits because the connection to its mail server %2 could not be used (%3, %4, last %5).",
	[QUEUE_PHRASE_WAIT_HOST_NO_SERVICE] =
	    "%1 waits because its mail server %2 takes no mail at present (it answered \"%3\", %4, last %5).",
	[QUEUE_PHRASE_WAIT_HOST_SESSIONS] =
	    "%1 waits because its mail server %2 has as many connections as it may have at present (%4).",
	[QUEUE_PHRASE_HOST_SERVES] = "%1, which also serves %2,",
	[QUEUE_PHRASE_WAIT_TURN] = "%1 waits for its turn; %2 can be tried at once.",
	[QUEUE_PHRASE_WAIT_FULL] = "%1 waits because this server has as many connections to others open as it may have for now.",
	[QUEUE_PHRASE_WAIT_FULL_UNKNOWN] =
	    "%1 waits because this server has as many connections to servers that it never reached before as it may have for now.",
	[QUEUE_PHRASE_WAIT_FULL_KEPT] =
	    "%1 waits because the connections that this server may still open are kept for mail to others.",
	[QUEUE_PHRASE_WAIT_FULL_BEHIND] =
	    "%1 waits because mail to others has its turn before it, and this server may not open so many connections.",
	[QUEUE_PHRASE_WAIT_HELD] = "%1 waits for the time that is set for it.",
	[QUEUE_PHRASE_WAIT_NO_RESOLVER] =
	    "%1 waits because this server could not look up %2: its resolver was not running (last %5).",
	[QUEUE_PHRASE_WAIT_RELEASE] = "%1 waits because its sender wants it to be sent %5 at the earliest.",
	[QUEUE_PHRASE_WAIT_HERE] = "%1 waits because its sender wants it to be delivered %5 at the earliest; then it goes into the mailbox.",
	[QUEUE_PHRASE_WAIT_HERE_NOW] = "%1 goes into the mailbox as soon as this server can put it there.",
	[QUEUE_PHRASE_HERE_REFUSED] =
	    "%1 waits because the mailbox does not take the message (%3).",
	[QUEUE_PHRASE_BY_RETURN] = "Its sender wants it to be returned if it is not delivered by then.",
	[QUEUE_PHRASE_BY_END] = "Its sender wants it not to be sent later than that.",
	[QUEUE_PHRASE_BY_NOTIFY] = "Its sender wants to be told if it is not delivered by then.",
	[QUEUE_PHRASE_SENT_AS] =
	    "It is sent on for %1 with the reverse path %2, because the next server asks the domain of the "
	    "reverse path whether this server may send.",
	[QUEUE_PHRASE_SENT_ON] = "It is sent on for %1 with the reverse path that it came with.",
	[QUEUE_PHRASE_BACKUP] = "%2 is a relay domain: its mail is kept for its own server.",
	[QUEUE_PHRASE_HELD] = "%1 was held back by an administrator %5: it is neither tried nor returned until it is released.",
	[QUEUE_PHRASE_UNDER_WAY] = "%1 is being delivered: the attempt began %5.",
	[QUEUE_PHRASE_GIVEN_UP] = "%1 could not be delivered in time.",
	[QUEUE_PHRASE_REFUSED_FOR_GOOD] = "%1 cannot be delivered%2.",
	[QUEUE_PHRASE_TAKEN] = "%1 was taken by the next server%2.",
	[QUEUE_PHRASE_DELIVERED] = "%1 was delivered into the mailbox.",
	[QUEUE_PHRASE_EXPANDED] = "%1 was sent on to all addresses behind it.",
	[QUEUE_PHRASE_IN_BRACKETS] = " (%1)",
	/* %1 sender, %2 when */
	[QUEUE_PHRASE_REPORT_NOW] = "The report of it to %1 is now being made.",
	[QUEUE_PHRASE_REPORT_AGAIN] = "The report of it to %1 could not be delivered yet; it is tried again %2.",
	[QUEUE_PHRASE_REPORT_AGAIN_POSTMASTER] = "The report of it to the postmaster could not be delivered yet; it is tried again %2.",
	[QUEUE_PHRASE_LEAVES] = "It leaves the queue %2 at the earliest; no report of it is made.",

	/* %1 recipient, %2 destination, %3 when */
	[QUEUE_PHRASE_NEXT] = "The next attempt is %3.",
	[QUEUE_PHRASE_NEXT_REACH] = "The next attempt to reach %2 is %3.",
	[QUEUE_PHRASE_NEXT_NOW] = "The next attempt is due now.",
	[QUEUE_PHRASE_NEXT_ROOM] = "It goes as soon as this server may open another connection.",
	[QUEUE_PHRASE_NEXT_FREE] = "It goes as soon as one of them is free.",
	[QUEUE_PHRASE_NEXT_PROBE] =
	    "An attempt with another message is under way; if %2 answers it, this one follows.",
	[QUEUE_PHRASE_NEXT_HOST] =
	    "The next attempt is %3, or as soon as that server answers for another domain."
    " An attempt for another domain that fails before puts it off.",
	[QUEUE_PHRASE_NEXT_REACH_HOST] =
	    "The next attempt to reach %2 is %3, or as soon as that server answers for another domain."
    " An attempt for another domain that fails before puts it off.",
	[QUEUE_PHRASE_NEXT_REACH_HOSTS] =
	    "The next attempt to reach %2 is %3, or as soon as one of its mail servers answers for another domain."
    " An attempt for another domain that fails before puts it off.",
	/* %4: when one of those servers is tried again */
	[QUEUE_PHRASE_NEXT_TURN] =
	    "Its turn comes %3, when %2 is looked up anew; its servers that are known are tried again %4 at the "
	    "earliest, or as soon as one of them answers for another domain.",
	[QUEUE_PHRASE_NONE_BUT_HOST] =
	    "No other attempt is due; one follows at once if that server answers for another "
	    "domain.",
	[QUEUE_PHRASE_NONE_BUT_HOSTS] =
	    "No other attempt is due; one follows at once if one of its mail servers answers for "
	    "another domain.",
	[QUEUE_PHRASE_NEXT_IF_UP] = "The next attempt is %3, if %2 can be reached by then.",
	[QUEUE_PHRASE_NEXT_IF_FREE] =
	    "The next attempt is %3, if a connection to %2 is free by then.",
	[QUEUE_PHRASE_NOT_BEFORE] = "It is tried %3 at the earliest.",
	/* %1 sender, %2 when */
	[QUEUE_PHRASE_WARNING] = "If it still waits %2, %1 is told of the delay.",

	/* %1 sender, %2 when */
	[QUEUE_PHRASE_RETURN_IF] = "If none succeeds, it will be returned to %1 %2.",
	[QUEUE_PHRASE_RETURN_THEN] =
	    "No further attempt is planned; it will be returned to %1 %2.",
	[QUEUE_PHRASE_RETURN_NOW] = "It is now being returned to %1.",
	[QUEUE_PHRASE_RETURN_LATE] =
	    "Its time ended while the server was not running, or as its clock was set ahead: unless an attempt succeeds, it will "
	    "be "
	    "returned to %1, at the latest %2.",
	[QUEUE_PHRASE_NULL_IF] =
	    "If none succeeds, it will be given up %2; it has no sender who could be told.",
	[QUEUE_PHRASE_NULL_THEN] =
	    "No further attempt is planned; it will be given up %2 and has no sender who could be "
	    "told.",
	[QUEUE_PHRASE_NULL_NOW] = "It is now being given up and has no sender who could be told.",
	[QUEUE_PHRASE_NULL_LATE] =
	    "Its time ended while the server was not running, or as its clock was set ahead: unless an attempt succeeds, it will "
	    "be "
	    "given up, at the latest %2; it has no sender who could be told.",
	[QUEUE_PHRASE_POSTMASTER_IF] =
	    "If none succeeds, it will be given up %2, and the postmaster is told of it, unless he was told of too many within a day.",
	[QUEUE_PHRASE_POSTMASTER_THEN] =
	    "No further attempt is planned; it will be given up %2, and the postmaster is told of "
	    "it, unless he was told of too many within a day.",
	[QUEUE_PHRASE_POSTMASTER_NOW] =
	    "It is now being given up, and the postmaster is told of it, unless he was told of too many within a day.",
	[QUEUE_PHRASE_POSTMASTER_LATE] =
	    "Its time ended while the server was not running, or as its clock was set ahead: unless an attempt succeeds, it will "
	    "be given up, at the latest %2, and the postmaster is told of it, unless he was told of too many within a day.",
	[QUEUE_PHRASE_REFUSES_IF] =
	    "If none succeeds, it will be given up %2, and the postmaster is told of it, because %1 takes no mail.",
	[QUEUE_PHRASE_REFUSES_THEN] =
	    "No further attempt is planned; it will be given up %2, and the postmaster is told of it, because %1 takes no mail.",
	[QUEUE_PHRASE_REFUSES_NOW] =
	    "It is now being given up, and the postmaster is told of it, because %1 takes no mail.",
	[QUEUE_PHRASE_REFUSES_LATE] =
	    "Its time ended while the server was not running, or as its clock was set ahead: unless an attempt succeeds, it will "
	    "be given up, at the latest %2, and the postmaster is told of it, because %1 takes no mail.",
	[QUEUE_PHRASE_SILENT_IF] =
	    "If none succeeds, it will be given up %2; %1 asked not to be told.",
	[QUEUE_PHRASE_SILENT_THEN] =
	    "No further attempt is planned; it will be given up %2, and %1 asked not to be told.",
	[QUEUE_PHRASE_SILENT_NOW] = "It is now being given up; %1 asked not to be told.",
	[QUEUE_PHRASE_SILENT_LATE] =
	    "Its time ended while the server was not running, or as its clock was set ahead: unless an attempt succeeds, it will "
	    "be "
	    "given up, at the latest %2; %1 asked not to be told.",

	[QUEUE_PHRASE_SUBJECT_FAILED] = "Your message could not be delivered",
	[QUEUE_PHRASE_SUBJECT_DELAYED] = "Your message has not been delivered yet",
	[QUEUE_PHRASE_SUBJECT_DELIVERED] = "Your message was delivered",
	[QUEUE_PHRASE_SUBJECT_RELAYED] = "Your message was passed on",
	[QUEUE_PHRASE_SUBJECT_EXPANDED] = "Your message was sent on to several addresses",
	/* %1 when it was taken */
	[QUEUE_PHRASE_OPENING_FAILED] =
	    "The message that it took from you %1 could not be delivered to:",
	[QUEUE_PHRASE_OPENING_DELAYED] =
	    "The message that it took from you %1 has not been delivered yet to:",
	[QUEUE_PHRASE_OPENING_DELIVERED] = "The message that it took from you %1 was delivered to:",
	[QUEUE_PHRASE_OPENING_RELAYED] =
	    "The message that it took from you %1 was passed on to a server that will not report "
	    "its "
	    "delivery, for:",
	[QUEUE_PHRASE_OPENING_EXPANDED] =
	    "The message that it took from you %1 was sent on to all addresses behind:",
	[QUEUE_PHRASE_OPENING_PASSED_ON] =
	    "The message that it took from you %1 was passed on to the next server, for:",
	[QUEUE_PHRASE_SUBJECT_DOUBLE] = "A report could not be delivered",
	[QUEUE_PHRASE_OPENING_DOUBLE] =
	    "A report of this server, made %1, could not be delivered to the sender of whose mail it "
	    "tells. So it goes to you, the postmaster. It was for:",
	[QUEUE_PHRASE_DOUBLE_FULL] = "The report is attached.",
	[QUEUE_PHRASE_DOUBLE_HEADER] =
	    "The header of the report is attached, its content is not.",
	[QUEUE_PHRASE_SUBJECT_UNTOLD] = "A message could not be delivered, and its sender not be told",
	/* %1 when, %2 sender */
	[QUEUE_PHRASE_OPENING_UNTOLD] =
	    "A message of %2, taken %1, could not be delivered, and the report that says so was not taken for its "
	    "sender either. So it goes to you, the postmaster. The message was for:",
	[QUEUE_PHRASE_SUBJECT_NO_SENDER] = "A message without a sender could not be sent on",
	/* %1 when */
	[QUEUE_PHRASE_OPENING_NO_SENDER] =
	    "A message without a sender, as reports are, taken %1, could not be sent on to where an alias leads. "
	    "Nobody else can be told, so it goes to you, the postmaster. The message was for:",
	/* %1 alias, %2 where it leads */
	[QUEUE_PHRASE_FORWARDED] = "The message was written to %1, which sends its mail on to %2.",
	[QUEUE_PHRASE_MESSAGE_HEADER] = "The header of the message is attached, its content is not.",
	[QUEUE_PHRASE_FROM_NAME] = "Mail delivery at %1",        /* %1 host */
	[QUEUE_PHRASE_GREETING] = "This is the mail server %1.", /* %1 host */
	/* %1 span, %2 when last */
	[QUEUE_PHRASE_EXPIRED] = "It was tried for %1, the last time %2, and has been given up.",
	[QUEUE_PHRASE_EXPIRED_UNTRIED] = "It could not be sent for %1 and has been given up.",
	[QUEUE_PHRASE_LATE] = "It was to be delivered %1 at the latest; that was not possible, and it is not "
	    "tried any more.",
	[QUEUE_PHRASE_LATE_DELAYED] = "You wanted it to be delivered %1 at the latest.",
	[QUEUE_PHRASE_LATE_RELAYED] =
	    "It was passed on before the time by which you wanted it to be delivered, %1.",
	[QUEUE_PHRASE_LATE_RELAYED_BEHIND] =
	    "It was passed on after the time by which you wanted it to be delivered, %1.",
	[QUEUE_PHRASE_KEEPS_TRYING_SILENT] =
	    "It will be tried again. You need not send it again. If no attempt succeeds, it will be given up %1; you asked not "
	    "to be told of that.",
	[QUEUE_PHRASE_KEEPS_TRYING] = "It will be tried again. You need not send it again.",
	/* %1 when */
	[QUEUE_PHRASE_KEEPS_TRYING_UNTIL] =
	    "It will be tried again. You need not send it again. If no attempt succeeds, it will "
	    "be "
	    "returned to you %1.",
	[QUEUE_PHRASE_WORDS_OF] = "The server %1 answered:", /* %1 host */
	[QUEUE_PHRASE_WORDS] = "The answer was:",
	[QUEUE_PHRASE_ORIGINAL_FULL] = "Your message is attached.",
	[QUEUE_PHRASE_ORIGINAL_HEADER] =
	    "The header of your message is attached, its content is not.",
	[QUEUE_PHRASE_MESSAGE_ID] = "Its Message-ID is %1.",

	/* as ROUTE, which stands within a sentence */
	[QUEUE_PHRASE_SERVER] = "the mail server of %2",
	[QUEUE_PHRASE_SERVER_FIRST] = "The mail server of %2",
	[QUEUE_PHRASE_ROUTE_FIRST] = "The server %1 through which mail for %2 is sent",
	/* %1 recipient, %2 his domain, %3 the server, %4 the same at the beginning, %5 what is looked up */
	[QUEUE_PHRASE_WHY_UNREACHABLE] = "%4 could not be reached.",
	[QUEUE_PHRASE_WHY_BROKEN] =
	    "%4 stopped answering before it had confirmed that it took the message.",
	[QUEUE_PHRASE_WHY_GARBAGE] = "What answers for %5 does not behave like a mail server.",
	[QUEUE_PHRASE_WHY_TLS] =
	    "The connection to %3 could not be secured, and without that the message is not sent.",
	[QUEUE_PHRASE_WHY_AUTH] =
	    "%4 did not let this server log in.",
	[QUEUE_PHRASE_WHY_DNS] =
	    "%4 could not be looked up: its name servers gave no usable answer.",
	[QUEUE_PHRASE_WHY_NO_DOMAIN] = "The domain %2 does not exist.",
	[QUEUE_PHRASE_WHY_NO_ADDRESS] = "The domain %2 has no mail server that can be used.",
	[QUEUE_PHRASE_WHY_NULL_MX] = "The domain %2 declares that it takes no mail.",
	[QUEUE_PHRASE_WHY_ROUTE_NO_ADDRESS] = "%4 has no address.",
	[QUEUE_PHRASE_WHY_ROUTE_FORBIDDEN] = "%4 has an address to which no mail can be sent.",
	[QUEUE_PHRASE_WHY_FORBIDDEN] =
	    "The domain %2 names a mail server at an address to which no mail can be sent.",
	[QUEUE_PHRASE_WHY_LOOP] = "The message went round in circles on its way to %1.",
	[QUEUE_PHRASE_WHY_NO_UTF8] =
	    "%4 cannot take international characters in addresses and headers, which this message has.",
	[QUEUE_PHRASE_WHY_TOO_LARGE] = "The message is larger than %3 takes.",
	[QUEUE_PHRASE_WHY_LOCAL] =
	    "This server was not able to send it; neither you nor %2 caused that.",
	[QUEUE_PHRASE_WHY_LOCAL_HERE] = "This server itself was not able to send it.",
	[QUEUE_PHRASE_WHY_ENDED] =
	    "An administrator of this mail server has ended the attempts to send it.",
	[QUEUE_PHRASE_WHY_NO_TIMES] =
	    "It was to come back rather than be late, and %3 cannot be told so.",
	[QUEUE_PHRASE_WHY_TIME_SHORT] = "Too little was left of the time that was set for %3 to deliver it.",
	[QUEUE_PHRASE_WHY_NO_MAILBOX] = "According to %3 there is no mailbox %1.",
	[QUEUE_PHRASE_WHY_BAD_ADDRESS] =
	    "According to %3 the address %1 is not one that it can deliver to.",
	[QUEUE_PHRASE_WHY_MOVED] =
	    "According to %3 the recipient has left the address %1.",
	[QUEUE_PHRASE_WHY_SENDER_ADDRESS] =
	    "%4 does not accept your own address as that of a sender.",
	[QUEUE_PHRASE_WHY_DISABLED] = "The mailbox %1 is not taking mail.",
	[QUEUE_PHRASE_WHY_MAILBOX_FULL] = "The mailbox %1 is full.",
	[QUEUE_PHRASE_WHY_SYSTEM] =
	    "%4 has trouble of its own and could not take the message.",
	[QUEUE_PHRASE_WHY_POLICY] = "The rules of %3 forbid the message.",
	[QUEUE_PHRASE_WHY_UNPROVEN] =
	    "%4 found no proof that the message comes from your domain (SPF, DKIM, DMARC).",
	[QUEUE_PHRASE_WHY_CONTENT] = "%4 cannot handle the content of the message.",
	[QUEUE_PHRASE_WHY_LATER] = "%4 did not accept the message for the time being.",
	[QUEUE_PHRASE_WHY_GREYLISTED] =
	    "%4 asks servers that it does not know to come again later (greylisting).",
	[QUEUE_PHRASE_WHY_BLOCKLISTED] =
	    "%4 takes no mail from the address of this server, which is on a "
	    "blocklist or has a bad reputation.",
	[QUEUE_PHRASE_WHY_IDENTITY] =
	    "%4 does not accept the name of this server, or what its address "
	    "resolves to.",
	[QUEUE_PHRASE_WHY_SPAM] = "%4 takes the message for spam.",
	[QUEUE_PHRASE_WHY_VIRUS] =
	    "%4 found something harmful in the message.",
	[QUEUE_PHRASE_WHY_TOO_MUCH] =
	    "%4 has been sent more mail in a short time than it wants.",
	[QUEUE_PHRASE_WHY_NO_RELAY] =
	    "%4 says that it takes no mail for %2.",
	[QUEUE_PHRASE_WHY_RESTRICTED] =
	    "Only certain senders may write to %1, and you are not among them.",
	[QUEUE_PHRASE_WHY_OTHER] = "%4 refused the message.",
	[QUEUE_PHRASE_WHY_UNTRIED] =
	    "The message has not had its turn yet with %3.",
	[QUEUE_PHRASE_WHY_SLOW] =
	    "The message is being sent to %3, and that takes very long.",
	[QUEUE_PHRASE_WHY_OFF] =
	    "The message was not put into the mailbox in time: this server was not running, could not do so, or an "
	    "administrator held the message back.",
	[QUEUE_PHRASE_DO_CHECK_ADDRESS] =
	    "Please check the spelling of the address, or ask the recipient for the right one.",
	[QUEUE_PHRASE_DO_CHECK_DOMAIN] =
	    "Please check the spelling of the address behind the @ sign.",
	[QUEUE_PHRASE_DO_SEND_LATER] =
	    "Please send the message again later, or reach the recipient in another way.",
	[QUEUE_PHRASE_DO_TELL_RECIPIENT] =
	    "Please tell the recipient in another way, so that this can be put right.",
	[QUEUE_PHRASE_DO_MAKE_SMALLER] =
	    "Please send it in smaller parts, or put large files where the recipient can fetch "
	    "them.",
	[QUEUE_PHRASE_DO_CHECK_FILES] =
	    "Please check your computer and the attachments, and send the message without what is "
	    "suspect.",
	[QUEUE_PHRASE_DO_ASK_OWN_ADMIN] =
	    "Please show this report to the administrator of your mail server.",
	[QUEUE_PHRASE_DO_ASK_THEIR_ADMIN] =
	    "Please reach the recipient in another way; only the administrators of %2 can put "
	    "this right.",
	[QUEUE_PHRASE_DO_OTHER_ADDRESS] = "Please ask the recipient for another address.",
	[QUEUE_PHRASE_DO_DROP_TIME] = "Please send it again without such a time, or ask only to be "
				      "told when it is late.",

	[QUEUE_PHRASE_QUOTA_SUBJECT] = "Your mailbox is nearly full",
	/* %1 address, %2 used, %3 limit */
	[QUEUE_PHRASE_QUOTA_BYTES] = "Your mailbox %1 holds %2 of the %3 that it may hold.",
	[QUEUE_PHRASE_QUOTA_MESSAGES] =
	    "Your mailbox %1 holds %2 of the %3 messages that it may hold.",
	[QUEUE_PHRASE_QUOTA_NEXT] =
	    "When it is full, mail for you is not accepted any more: other servers try again for some "
	    "days and then return it to its senders.",
	[QUEUE_PHRASE_QUOTA_ADVICE] =
	    "Please delete messages that you do not need any more, or ask the administrator of your "
	    "mail server for more room.",

	[QUEUE_PHRASE_QUOTA_DOMAIN_SUBJECT] = "Your domain has nearly used up its room",
	/* %1 domain, %2 used, %3 limit */
	[QUEUE_PHRASE_QUOTA_DOMAIN_BYTES] =
	    "All mailboxes of %1 together hold %2 of the %3 that they may hold.",
	[QUEUE_PHRASE_QUOTA_DOMAIN_MESSAGES] =
	    "All mailboxes of %1 together hold %2 of the %3 messages that they may hold.",
	[QUEUE_PHRASE_QUOTA_DOMAIN_NEXT] =
	    "When they are full, mail for any of them is not accepted any more: other servers try again "
	    "for some days and then return it to its senders.",
	[QUEUE_PHRASE_QUOTA_DOMAIN_ADVICE] =
	    "Please have messages deleted that nobody needs any more, or ask the administrator of the "
	    "mail server for more room.",
};
/* clang-format on */

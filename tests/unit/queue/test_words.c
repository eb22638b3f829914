/*
 * Replies of large providers and common servers, as they are seen by everybody who sends mail (their
 * own documents and their software's texts): what becomes of the message, what the sender is told, and
 * what he can do. Then the languages in which he is told.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "queue/queue_lang.h"
#include "queue/queue_reason.h"
#include "queue/queue_text.h"

struct reply {
	enum queue_stage stage;
	uint16_t code;
	struct queue_status status;
	const char *text;
	enum queue_outcome outcome;
	enum queue_phrase why, advice;
};

#define RCPT(code, x, y, z, outcome, why, advice, text)                                            \
	{                                                                                          \
		QUEUE_STAGE_RCPT, code, {x, y, z}, text, QUEUE_##outcome, QUEUE_PHRASE_WHY_##why,  \
		    QUEUE_PHRASE_DO_##advice                                                       \
	}
#define BODY(code, x, y, z, outcome, why, advice, text)                                            \
	{                                                                                          \
		QUEUE_STAGE_BODY, code, {x, y, z}, text, QUEUE_##outcome, QUEUE_PHRASE_WHY_##why,  \
		    QUEUE_PHRASE_DO_##advice                                                       \
	}
#define MAIL(code, x, y, z, outcome, why, advice, text)                                            \
	{                                                                                          \
		QUEUE_STAGE_MAIL, code, {x, y, z}, text, QUEUE_##outcome, QUEUE_PHRASE_WHY_##why,  \
		    QUEUE_PHRASE_DO_##advice                                                       \
	}
#define HELLO(code, x, y, z, outcome, why, advice, text)                                           \
	{                                                                                          \
		QUEUE_STAGE_GREETING, code, {x, y, z}, text, QUEUE_##outcome,                      \
		    QUEUE_PHRASE_WHY_##why, QUEUE_PHRASE_DO_##advice                               \
	}

/* clang-format off */
static const struct reply replies[] = {
	/* Gmail and Google Workspace */
	RCPT(550, 5, 1, 1, FAILED, NO_MAILBOX, CHECK_ADDRESS, "The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos or unnecessary spaces."),
	RCPT(550, 5, 2, 1, FAILED, DISABLED, OTHER_ADDRESS, "The email account that you tried to reach is disabled."),
	RCPT(552, 5, 2, 2, FAILED, MAILBOX_FULL, TELL_RECIPIENT, "The email account that you tried to reach is over quota and inactive."),
	RCPT(452, 4, 2, 2, RETRY, MAILBOX_FULL, TELL_RECIPIENT, "The recipient's inbox is out of storage space. Please direct the recipient to clear storage."),
	RCPT(450, 4, 2, 1, RETRY, TOO_MUCH, SEND_LATER, "The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered."),
	RCPT(450, 4, 2, 1, RETRY, TOO_MUCH, SEND_LATER, "The user you are trying to contact is receiving mail too quickly. Please resend your message at a later time."),
	BODY(550, 5, 7, 26, FAILED, UNPROVEN, ASK_OWN_ADMIN, "This mail has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM."),
	BODY(550, 5, 7, 26, FAILED, UNPROVEN, ASK_OWN_ADMIN, "Unauthenticated email from example.org is not accepted due to domain's DMARC policy."),
	BODY(550, 5, 7, 25, FAILED, IDENTITY, ASK_OWN_ADMIN, "The IP address sending this message does not have a PTR record setup, or the corresponding forward DNS entry does not match the sending IP."),
	BODY(550, 5, 7, 1, FAILED, SPAM, TELL_RECIPIENT, "Gmail has detected that this message is likely unsolicited mail. To reduce the amount of spam sent to Gmail, this message has been blocked."),
	BODY(550, 5, 7, 1, FAILED, SPAM, TELL_RECIPIENT, "Our system has detected that this message is likely suspicious due to the very low reputation of the sending domain."),
	BODY(550, 5, 7, 1, FAILED, BLOCKLISTED, ASK_OWN_ADMIN, "[192.0.2.1] The IP you're using to send mail is not authorized to send email directly to our servers. Please use the SMTP relay at your service provider instead."),
	BODY(421, 4, 7, 0, RETRY, TOO_MUCH, SEND_LATER, "Our system has detected an unusual rate of unsolicited mail originating from your IP address."),
	BODY(421, 4, 7, 28, RETRY, TOO_MUCH, SEND_LATER, "Gmail has detected an unusual rate of mail originating from your SPF domain."),
	BODY(421, 4, 7, 26, RETRY, UNPROVEN, ASK_OWN_ADMIN, "This mail has been rate limited because it is unauthenticated."),
	HELLO(421, 4, 7, 0, RETRY_HOST, BLOCKLISTED, ASK_OWN_ADMIN, "IP not in whitelist for RCPT domain, closing connection."),
	BODY(552, 5, 7, 0, FAILED, VIRUS, CHECK_FILES, "This message was blocked because its content presents a potential security issue: potentially dangerous attachment"),
	BODY(552, 5, 3, 4, FAILED, TOO_LARGE, MAKE_SMALLER, "Your message exceeded Google's message size limits."),
	BODY(554, 5, 4, 6, FAILED, LOOP, ASK_OWN_ADMIN, "Message exceeded 50 hops, this may indicate a mail loop."),

	/* Microsoft 365 and Outlook.com */
	RCPT(550, 5, 1, 10, FAILED, NO_MAILBOX, CHECK_ADDRESS, "RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"),
	RCPT(550, 5, 1, 10, FAILED, NO_MAILBOX, CHECK_ADDRESS, "RESOLVER.ADR.RecipientNotFound; Recipient bob@example.org not found by SMTP address lookup"),
	BODY(550, 5, 7, 708, FAILED, BLOCKLISTED, ASK_OWN_ADMIN, "Service unavailable. Access denied, traffic not accepted from this IP. For more information please go to http://go.microsoft.com/fwlink/?LinkId=526653 AS(7230)"),
	RCPT(550, 5, 4, 1, FAILED, NO_MAILBOX, CHECK_ADDRESS, "Recipient address rejected: Access denied. [XX.prod.protection.outlook.com]"),
	RCPT(550, 5, 5, 0, FAILED, NO_MAILBOX, CHECK_ADDRESS, "Requested action not taken: mailbox unavailable (S2017062302)."),
	MAIL(550, 5, 7, 1, FAILED, BLOCKLISTED, ASK_OWN_ADMIN, "Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150)."),
	BODY(550, 5, 7, 511, FAILED, BLOCKLISTED, ASK_OWN_ADMIN, "Access denied, banned sender, banned sending IP [192.0.2.1]."),
	MAIL(451, 4, 7, 650, RETRY, BLOCKLISTED, ASK_OWN_ADMIN, "The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation of the sender, poor reputation."),
	RCPT(451, 4, 7, 500, RETRY, TOO_MUCH, SEND_LATER, "Server busy. Please try again later from [192.0.2.1]. (S77719)"),
	BODY(550, 5, 7, 23, FAILED, UNPROVEN, ASK_OWN_ADMIN, "The message was rejected because of Sender Policy Framework violation"),
	BODY(550, 5, 7, 509, FAILED, UNPROVEN, ASK_OWN_ADMIN, "Access denied, sending domain EXAMPLE.ORG does not pass DMARC verification and has a DMARC policy of reject."),
	BODY(550, 5, 7, 515, FAILED, UNPROVEN, ASK_OWN_ADMIN, "Access denied, sending domain EXAMPLE.ORG does not meet the required authentication level: SPF check"),
	RCPT(550, 5, 7, 133, FAILED, RESTRICTED, TELL_RECIPIENT, "RESOLVER.RST.SenderNotAuthenticatedForGroup; delivery to this group is restricted to senders inside the organization"),
	RCPT(550, 5, 7, 124, FAILED, RESTRICTED, TELL_RECIPIENT, "Sender not in allowed-senders list; not authorized to send to this group"),
	RCPT(550, 5, 7, 64, FAILED, POLICY, TELL_RECIPIENT, "TenantAttribution; Access Denied"),
	RCPT(554, 5, 2, 2, FAILED, MAILBOX_FULL, TELL_RECIPIENT, "mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException"),
	BODY(554, 5, 4, 14, FAILED, LOOP, ASK_OWN_ADMIN, "Hop count exceeded - possible mail loop"),
	RCPT(450, 4, 7, 320, RETRY, LATER, SEND_LATER, "Certificate validation failed"),
	RCPT(550, 5, 7, 1, FAILED, TOO_MUCH, SEND_LATER, "Too many invalid recipients"),
	RCPT(550, 5, 7, 705, FAILED, TOO_MUCH, SEND_LATER, "Access denied, tenant has exceeded the limit of outgoing mail"),

	/* Yahoo and AOL */
	RCPT(554, 0, 0, 0, FAILED, NO_MAILBOX, CHECK_ADDRESS, "delivery error: dd This user doesn't have a yahoo.com account (bob@yahoo.com) [0] - mta1234.mail.ne1.yahoo.com"),
	HELLO(421, 4, 7, 0, RETRY_HOST, TOO_MUCH, SEND_LATER, "[TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1"),
	HELLO(553, 5, 7, 1, RETRY_HOST, BLOCKLISTED, ASK_OWN_ADMIN, "[BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list"),
	BODY(554, 5, 7, 9, FAILED, UNPROVEN, ASK_OWN_ADMIN, "Message not accepted for policy reasons: DMARC"),
	RCPT(552, 0, 0, 0, FAILED, MAILBOX_FULL, TELL_RECIPIENT, "1 Requested mail action aborted, mailbox not found: quota exceeded"),

	/* Apple */
	RCPT(550, 5, 1, 1, FAILED, NO_MAILBOX, CHECK_ADDRESS, "<bob@icloud.com>: user does not exist"),
	RCPT(552, 5, 2, 2, FAILED, MAILBOX_FULL, TELL_RECIPIENT, "<bob@icloud.com>: user is over quota"),
	BODY(550, 5, 7, 1, FAILED, POLICY, TELL_RECIPIENT, "[CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137"),
	BODY(554, 5, 7, 1, FAILED, SPAM, TELL_RECIPIENT, "[HM08] Message rejected as spam by Content Filtering."),

	/* GMX, WEB.DE, 1&1, T-Online */
	MAIL(554, 0, 0, 0, FAILED, IDENTITY, ASK_OWN_ADMIN, "gmx.net (mxgmx016) Nemesis ESMTP Service not available No SMTP service Bad DNS PTR resource record."),
	HELLO(421, 0, 0, 0, RETRY_HOST, TOO_MUCH, SEND_LATER, "gmx.net (mxgmx108) Nemesis ESMTP Service not available, too many connections"),
	RCPT(550, 0, 0, 0, FAILED, NO_MAILBOX, CHECK_ADDRESS, "Requested action not taken: mailbox unavailable"),
	HELLO(554, 0, 0, 0, RETRY_HOST, BLOCKLISTED, ASK_OWN_ADMIN, "IP=192.0.2.1 - A problem occurred. (Ask your postmaster for help or to contact tosa@rx.t-online.de; Your IP has been rejected for its poor reputation.)"),

	/* QQ, 163, Sina */
	RCPT(550, 0, 0, 0, FAILED, NO_MAILBOX, CHECK_ADDRESS, "Mailbox not found. http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=20022&&no=1000728"),
	RCPT(550, 0, 0, 0, FAILED, NO_MAILBOX, CHECK_ADDRESS, "User not found: bob@163.com"),
	BODY(550, 0, 0, 0, FAILED, SPAM, TELL_RECIPIENT, "Mail content denied: spam [AQAAfwA]"),
	BODY(554, 0, 0, 0, FAILED, SPAM, TELL_RECIPIENT, "DT:SPM 163 smtp1, the mail is junk mail, please see http://mail.163.com/help/help_spam_16.htm"),
	MAIL(550, 0, 0, 0, FAILED, IDENTITY, ASK_OWN_ADMIN, "Connection denied: no PTR of the sending address"),
	BODY(550, 0, 0, 0, FAILED, UNPROVEN, ASK_OWN_ADMIN, "Sender's domain has no proper SPF record; SPF check failed"),

	/* Postfix, Exim, Sendmail, qmail, OpenSMTPD and what stands behind them */
	RCPT(550, 5, 1, 1, FAILED, NO_MAILBOX, CHECK_ADDRESS, "<bob@example.org>: Recipient address rejected: User unknown in virtual mailbox table"),
	RCPT(450, 4, 1, 1, RETRY, LATER, SEND_LATER, "<bob@example.org>: Recipient address rejected: User unknown in local recipient table"),
	RCPT(450, 4, 1, 1, RETRY, LATER, SEND_LATER, "<bob@example.org>: Recipient address rejected: unverified address: Address verification in progress"),
	RCPT(451, 4, 1, 1, RETRY, LATER, SEND_LATER, "<bob@example.org>: Recipient address rejected: unverified address: verification in progress"),
	RCPT(450, 0, 0, 0, RETRY, LATER, SEND_LATER, "Requested mail action not taken: mailbox unavailable"),
	RCPT(550, 5, 1, 1, FAILED, NO_MAILBOX, CHECK_ADDRESS, "<bob@example.org>: Recipient address rejected: undeliverable address: unknown user"),
	RCPT(554, 5, 7, 1, FAILED, POLICY, TELL_RECIPIENT, "<bob@example.org>: Recipient address rejected: Access denied"),
	RCPT(550, 5, 7, 1, FAILED, NO_MAILBOX, CHECK_ADDRESS, "<bob@example.org>: Recipient address rejected: User unknown"),
	RCPT(554, 0, 0, 0, FAILED, NO_MAILBOX, CHECK_ADDRESS, "<bob@example.org>: Recipient address rejected"),
	RCPT(556, 5, 1, 10, FAILED, NULL_MX, CHECK_DOMAIN, "<bob@example.org>: Recipient address rejected: Domain example.org does not accept mail (nullMX)"),
	RCPT(556, 5, 1, 10, FAILED, NULL_MX, CHECK_DOMAIN, "Recipient address has null MX"),
	RCPT(556, 0, 0, 0, FAILED, NULL_MX, CHECK_DOMAIN, "Domain does not accept mail"),
	RCPT(550, 5, 1, 10, FAILED, BAD_ADDRESS, CHECK_ADDRESS, "Refused"),
	MAIL(550, 0, 0, 0, FAILED, SENDER_ADDRESS, ASK_OWN_ADMIN, "<ann@example.net>: Sender address rejected: Domain example.net does not accept mail (nullMX)"),
	RCPT(550, 0, 0, 0, FAILED, NO_MAILBOX, CHECK_ADDRESS, "sorry, no mailbox here by that name. (#5.1.1 - chkuser)"),
	RCPT(550, 0, 0, 0, FAILED, NO_MAILBOX, CHECK_ADDRESS, "Unrouteable address"),
	RCPT(550, 5, 1, 1, FAILED, NO_MAILBOX, CHECK_ADDRESS, "Invalid recipient: bob@example.org"),
	RCPT(554, 5, 7, 1, FAILED, NO_RELAY, ASK_THEIR_ADMIN, "<bob@example.org>: Relay access denied"),
	RCPT(550, 5, 7, 1, FAILED, NO_RELAY, ASK_THEIR_ADMIN, "Relaying denied. Proper authentication required."),
	RCPT(550, 0, 0, 0, FAILED, NO_RELAY, ASK_THEIR_ADMIN, "relay not permitted"),
	RCPT(450, 4, 2, 0, RETRY, GREYLISTED, SEND_LATER, "<bob@example.org>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.org.html"),
	RCPT(451, 4, 7, 1, RETRY, GREYLISTED, SEND_LATER, "Greylisting in action, please come back later"),
	RCPT(451, 4, 7, 1, RETRY, GREYLISTED, SEND_LATER, "Grey-listed, please try again"),
	RCPT(554, 5, 7, 1, FAILED, BLOCKLISTED, ASK_OWN_ADMIN, "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1"),
	RCPT(554, 5, 7, 1, FAILED, BLOCKLISTED, ASK_OWN_ADMIN, "Service unavailable; Client host [192.0.2.1] blocked using b.barracudacentral.org"),
	RCPT(450, 4, 7, 25, RETRY, IDENTITY, ASK_OWN_ADMIN, "Client host rejected: cannot find your hostname, [192.0.2.1]"),
	RCPT(504, 5, 5, 2, FAILED, IDENTITY, ASK_OWN_ADMIN, "<mail>: Helo command rejected: need fully-qualified hostname"),
	RCPT(450, 4, 1, 8, RETRY, SENDER_ADDRESS, ASK_OWN_ADMIN, "<a@example.org>: Sender address rejected: Domain not found"),
	RCPT(550, 0, 0, 0, FAILED, SENDER_ADDRESS, ASK_OWN_ADMIN, "Sender verify failed"),
	MAIL(553, 5, 1, 8, FAILED, SENDER_ADDRESS, ASK_OWN_ADMIN, "Domain of sender address does not exist"),
	MAIL(530, 5, 7, 0, FAILED, TLS, ASK_OWN_ADMIN, "Must issue a STARTTLS command first"),
	BODY(554, 5, 7, 1, FAILED, VIRUS, CHECK_FILES, "Virus (Eicar-Test-Signature) was found"),
	BODY(550, 0, 0, 0, FAILED, VIRUS, CHECK_FILES, "This message contains malware (Win.Test.EICAR_HDB-1)"),
	BODY(552, 5, 2, 3, FAILED, TOO_LARGE, MAKE_SMALLER, "Message length exceeds administrative limit."),
	BODY(554, 5, 6, 0, FAILED, CONTENT, ASK_OWN_ADMIN, "Improper use of 8-bit data in message header"),
	BODY(451, 4, 3, 0, RETRY, SYSTEM, SEND_LATER, "Error: queue file write error"),
	BODY(451, 4, 3, 5, RETRY, SYSTEM, SEND_LATER, "Server configuration error"),
	RCPT(452, 4, 3, 1, RETRY, SYSTEM, SEND_LATER, "Insufficient system storage"),
	RCPT(551, 0, 0, 0, FAILED, MOVED, CHECK_ADDRESS, "User not local; please try <bob@example.net>"),
	RCPT(450, 4, 4, 3, RETRY, DNS, SEND_LATER, "Temporary lookup failure"),
	RCPT(550, 5, 2, 0, FAILED, DISABLED, OTHER_ADDRESS, "account is locked"),
	RCPT(599, 0, 0, 0, FAILED, OTHER, ASK_OWN_ADMIN, "no"),
};
/* clang-format on */

static void test_replies(void **state)
{
	size_t n = sizeof replies / sizeof replies[0], wrong = 0;

	assert_true(n >= 60);
	for (size_t i = 0; i < n; i++) {
		const struct reply *r = &replies[i];
		struct queue_attempt a = {.stage = r->stage, .code = r->code, .status = r->status};
		struct queue_result result = queue_result_of(&a);
		struct queue_reason reason = queue_reason_of(
		    QUEUE_PROBLEM_NONE, result.status, str_of_c(r->text));

		if (result.outcome == r->outcome && reason.why == r->why &&
		    reason.advice == r->advice)
			continue;
		print_error("%u %s\nis %d \"%s\" \"%s\"\n", r->code, r->text, result.outcome,
		    (const char *)queue_phrase_text(QUEUE_LANG_EN, reason.why).p,
		    (const char *)queue_phrase_text(QUEUE_LANG_EN, reason.advice).p);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

/* Words never change what becomes of a message, and a hostile text is read in linear time. */
static void test_odd_texts(void **state)
{
	struct queue_status status = {5, 7, 1};
	struct buf b;

	buf_init(&b, 100000);
	for (int i = 0; i < 99999; i++)
		buf_byte(&b, "bl"[i & 1]);
	assert_int_equal(
	    queue_reason_of(QUEUE_PROBLEM_NONE, status, buf_view(&b)).why, QUEUE_PHRASE_WHY_POLICY);
	assert_int_equal(
	    queue_reason_of(QUEUE_PROBLEM_NONE, status, STR("")).why, QUEUE_PHRASE_WHY_POLICY);
	assert_int_equal(queue_reason_of(QUEUE_PROBLEM_NONE, status, STR("BLOCK-list\0")).why,
	    QUEUE_PHRASE_WHY_BLOCKLISTED);
	assert_int_equal(queue_reason_of(QUEUE_PROBLEM_TIMEOUT, status, STR("spam")).why,
	    QUEUE_PHRASE_WHY_UNREACHABLE);
	buf_fini(&b);
}

/* ---- languages ---- */

#define NONE QUEUE_LANGS

static void expect_tag(const char *tag, enum queue_lang want)
{
	enum queue_lang lang = NONE;
	bool found = queue_lang_by_tag(str_of_c(tag), &lang);

	assert_int_equal(found, want != NONE);
	assert_int_equal(lang, want);
}

static void test_tags(void **state)
{
	expect_tag("en", QUEUE_LANG_EN);
	expect_tag("EN-gb", QUEUE_LANG_EN);
	expect_tag("eng", NONE);
	expect_tag("", NONE);
	expect_tag("de", NONE);
	expect_tag("zh", QUEUE_LANG_ZH_HANS);
	expect_tag("zh-CN", QUEUE_LANG_ZH_HANS);
	expect_tag("zh-SG", QUEUE_LANG_ZH_HANS);
	expect_tag("zh-hant-HK", QUEUE_LANG_ZH_HANT);
	expect_tag("zh-tw", QUEUE_LANG_ZH_HANT);
	expect_tag("zh-MO", QUEUE_LANG_ZH_HANT);
}

static void expect_message(const char *header, enum queue_lang want)
{
	enum queue_lang lang = NONE;
	bool found = queue_lang_of_message(str_of_c(header), &lang);

	if (found != (want != NONE) || lang != want)
		fail_msg("%s\nis %d, not %d", header, lang, want);
}

static void test_messages(void **state)
{
	expect_message("", NONE);
	expect_message("\r\nSubject: \u4f60\u597d", NONE);
	expect_message("Subject: Hello\r\n\r\nSubject: \u4f60\u597d\r\n", NONE);
	expect_message("Subject: \u4f60\u597d", QUEUE_LANG_ZH_HANS);
	expect_message("Subject: =?utf-8?B?6ZaL5pyD6YCa55+l?=\r\n\r\n", QUEUE_LANG_ZH_HANT);
	expect_message("Subject: =?utf-8?B?5byA5Lya6YCa55+l?=\r\n\r\n", QUEUE_LANG_ZH_HANS);
	expect_message("Subject: =?UTF-8?B?5pel5pys6Kqe44Gn44GZ?=\r\n\r\n", NONE);
	expect_message("Subject: \ud55c\uad6d\uc5b4 \u6f22\u5b57\r\n\r\n", NONE);
	expect_message("Subject: Re: =?gb18030?B?v6q74Q==?=\r\n\r\n", QUEUE_LANG_ZH_HANS);
	expect_message("Subject: Re: x=?y =?Big5?B?tn23fA==?=\r\n\r\n", QUEUE_LANG_ZH_HANT);
	expect_message("subject: \xe4\xbd\r\n\r\n", NONE);
	expect_message(
	    "Subject: \u4f60\u597d\r\nContent-Language: zh-TW\r\n\r\n", QUEUE_LANG_ZH_HANT);
	expect_message("Content-Language: en-US\r\nSubject: \u4f60\u597d\r\n\r\n", QUEUE_LANG_EN);
	expect_message(
	    "Content-Language: en\r\nAccept-Language: de-DE, zh-CN;q=0.5, en;q=0.1\r\n\r\n",
	    QUEUE_LANG_ZH_HANS);
	expect_message("Accept-Language: fr, de\r\nContent-Language: de,\r\n\t zh-hant\r\n\r\n",
	    QUEUE_LANG_ZH_HANT);
	expect_message("Accept-Language: en\r\nAccept-Language: zh\r\n\r\n", QUEUE_LANG_EN);
}

static void expect_wrap(const char *text, size_t width, const char *want)
{
	struct buf b;

	buf_init(&b, 1000);
	queue_text_wrap(&b, str_of_c(text), STR("\n"), width, 0);
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

static void test_wide_text(void **state)
{
	expect_wrap("\u4f60\u597d\u4f60\u597d", 4, "\u4f60\u597d\n\u4f60\u597d");
	expect_wrap("\u4f60\u597d\u4f60\u597d", 5, "\u4f60\u597d\n\u4f60\u597d");
	expect_wrap("\u4f60\u597d\u3002\u4f60", 4, "\u4f60\n\u597d\u3002\n\u4f60");
	expect_wrap("\u4f60\u300c\u597d\u300d", 5, "\u4f60\n\u300c\u597d\u300d");
	expect_wrap("\u4f60 abc\u597d", 5, "\u4f60\nabc\u597d");
	expect_wrap("\u4f60 abc\u597d", 6, "\u4f60 abc\n\u597d");
}

/* A sentence of the other languages, with everything put in. */
static void expect_time(enum queue_lang lang, int64_t now, const char *want)
{
	static const struct queue_zone east = {480, STR_INIT("CST")};
	struct buf b;

	buf_init(&b, 1000);
	queue_phrase_put_time(&b, lang, INT64_C(1795464000000), now, &east);
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

static void test_sentences(void **state)
{
	struct buf b;

	expect_time(QUEUE_LANG_ZH_HANS, 0, "2026 年 11 月 24 日（星期二）04:00 CST");
	expect_time(QUEUE_LANG_ZH_HANT, INT64_C(1795470000000), "今天 04:00 CST");
	buf_init(&b, 1000);
	queue_phrase_put_span(&b, QUEUE_LANG_ZH_HANS, INT64_C(16200000));
	assert_string_equal(buf_cstr(&b), "4 小时 30 分钟");
	buf_clear(&b);
	queue_phrase_put(&b, QUEUE_LANG_ZH_HANT, QUEUE_PHRASE_WHY_NO_MAILBOX,
	    QUEUE_ARGS(STR("bob@b.test"), STR("b.test"), STR("b.test 的郵件伺服器")));
	assert_string_equal(buf_cstr(&b), "b.test 的郵件伺服器說沒有 bob@b.test 這個信箱。");
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_replies),
	    cmocka_unit_test(test_odd_texts),
	    cmocka_unit_test(test_tags),
	    cmocka_unit_test(test_messages),
	    cmocka_unit_test(test_wide_text),
	    cmocka_unit_test(test_sentences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

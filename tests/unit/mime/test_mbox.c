/* mbox files: what is written is read back octet by octet at every split, and files of others. */
#include "mime_test.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "mime/mime_keywords.h"
#include "mime/mime_mbox.h"

#define DATE INT64_C(1795463673000) /* Mon Nov 23 19:54:33 2026 */

/* ---- what a reader finds, as one text ---- */

static void on_begin(void *ctx, struct str sender, int64_t date)
{
	struct buf *b = ctx;

	buf_byte(b, '[');
	buf_str(b, sender);
	buf_byte(b, ' ');
	if (date == MIME_MBOX_NO_DATE)
		buf_byte(b, '-');
	else
		buf_i64(b, date);
	buf_byte(b, '|');
}

static void on_bytes(void *ctx, struct str bytes)
{
	buf_str(ctx, bytes);
}

static void on_end(void *ctx, struct str keywords)
{
	buf_byte(ctx, '|');
	buf_str(ctx, keywords);
	buf_byte(ctx, ']');
}

static void on_drop(void *ctx)
{
	buf_lit(ctx, "no mail]");
}

/* Fed in pieces of `piece` octets, the first one of `first`. */
static bool read_in(struct buf *found, struct str file, size_t first, size_t piece)
{
	struct mime_mbox_sink sink = {on_begin, on_bytes, on_end, on_drop, found};
	struct mime_mbox_reader *r = mime_mbox_reader_new(&sink);
	bool good;

	buf_clear(found);
	good = mime_mbox_feed(r, str_sub(file, 0, first));
	for (size_t at = first; at < file.n && good; at += piece)
		good = mime_mbox_feed(r, str_sub(file, at, piece));
	mime_mbox_finish(r);
	mime_mbox_reader_free(&r);
	return good;
}

/* Whole, byte by byte, and at every split into two. */
static void expect_read(const char *what, struct str file, const char *want)
{
	struct buf found, shown;

	buf_init(&found, 64 * MIB);
	buf_init(&shown, 64 * MIB);
	for (size_t first = 0; first <= file.n; first++) {
		assert_true(read_in(&found, file, first, file.n + 1));
		buf_clear(&shown);
		dump_text(&shown, buf_view(&found));
		expect_text(what, buf_view(&shown), want);
	}
	assert_true(read_in(&found, file, 0, 1));
	buf_clear(&shown);
	dump_text(&shown, buf_view(&found));
	expect_text(what, buf_view(&shown), want);
	buf_fini(&found);
	buf_fini(&shown);
}

static void test_files_of_others(void **state)
{
	static const struct {
		const char *what, *file, *want;
	} cases[] = {
	    {"empty", "", ""},
	    {"one", "From ann@a.test Mon Nov 23 19:54:33 2026\nSubject: x\n\nHello\n\n",
		"[ann@a.test 1795463673000|Subject: x\\r\\n\\r\\nHello\\r\\n|]"},
	    {"two, no blank line at the end",
		"From a Mon Nov 23 19:54:33 2026\n\nA\n\nFrom b Mon Nov 23 19:54:33 2026\n\nB\n",
		"[a 1795463673000|\\r\\nA\\r\\n|][b 1795463673000|\\r\\nB\\r\\n|]"},
	    {"no end of the last line", "From a Mon Nov 23 19:54:33 2026\n\nA",
		"[a 1795463673000|\\r\\nA\\r\\n|]"},
	    {"CRLF, and blank lines before",
		"\r\n\r\nFrom a Mon Nov 23 19:54:33 2026\r\nS: x\r\n\r\nA\r\n\r\n",
		"[a 1795463673000|S: x\\r\\n\\r\\nA\\r\\n|]"},
	    {"bare CR", "From a Mon Nov 23 19:54:33 2026\nS: x\n\nA\rB\r\r\nC\n\n",
		"[a 1795463673000|S: x\\r\\n\\r\\nA\\r\\nB\\r\\n\\r\\nC\\r\\n|]"},
	    {"zones, blanks, no seconds",
		"From a  Mon Nov  3 19:54 MET 2026\n\n\nFrom b@c Tue Jan 05 01:02:03 2010 +0100\n\n\n",
		"[a 1793735640000|\\r\\n|][b@c 1262649723000|\\r\\n|]"},
	    {"quoted", "From a Mon Nov 23 19:54:33 2026\n\n>From x\n>>From y\n>Fromm\n> From z\n\n",
		"[a 1795463673000|\\r\\nFrom x\\r\\n>From y\\r\\n>Fromm\\r\\n> From z\\r\\n|]"},
	    {"From in text is no beginning without blank line and date",
		"From a Mon Nov 23 19:54:33 2026\n\nx\nFrom b Mon Nov 23 19:54:33 2026\n\nFrom now on\n\n",
		"[a 1795463673000|\\r\\nx\\r\\nFrom b Mon Nov 23 19:54:33 2026\\r\\n\\r\\nFrom now on\\r\\n|]"},
	    {"without dates", "From a\n\nA\n\nFrom b\n\nB\n\n",
		"[a -|\\r\\nA\\r\\n|][b -|\\r\\nB\\r\\n|]"},
	    {"no sender", "From Mon Nov 23 19:54:33 2026\n\nA\n\n",
		"[ 1795463673000|\\r\\nA\\r\\n|]"},
	    {"a sender with blanks", "From \"a b\"@c Mon Nov 23 19:54:33 2026\n\nA\n\n",
		"[\"a b\"@c 1795463673000|\\r\\nA\\r\\n|]"},
	    {"blank lines of the message stay",
		"From a Mon Nov 23 19:54:33 2026\nS: x\n\nA\n\n\n\n",
		"[a 1795463673000|S: x\\r\\n\\r\\nA\\r\\n\\r\\n\\r\\n|]"},
	    {"Status and X-Status",
		"From a Mon Nov 23 19:54:33 2026\nS: x\nStatus: RO\nX-Status: AF\nX-Keywords: Work\nX-UID: 7\n"
		"Content-Length: 2\n\nA\n\n",
		"[a 1795463673000|S: x\\r\\n\\r\\nA\\r\\n|$answered $flagged $seen work]"},
	    {"Status in front of others says something, and stays",
		"From a Mon Nov 23 19:54:33 2026\nStatus: RO\nS: x\n\nA\n\n",
		"[a 1795463673000|Status: RO\\r\\nS: x\\r\\n\\r\\nA\\r\\n|$seen]"},
	    {"KMail",
		"From a Mon Nov 23 19:54:33 2026\nS: x\nStatus: RO\nX-Status: ORAC\nX-KMail-EncryptionState:  \n"
		"X-KMail-MDN-Sent:  \n\nA\n\n",
		"[a 1795463673000|S: x\\r\\nStatus: RO\\r\\nX-Status: ORAC\\r\\nX-KMail-EncryptionState:  \\r\\n"
		"X-KMail-MDN-Sent:  \\r\\n\\r\\nA\\r\\n|$answered $seen]"},
	    {"the program's own at the end counts, and none of the sender's of that name",
		"From a Mon Nov 23 19:54:33 2026\nStatus: RO\nX-Keywords: one\n two\nX-Status: F\nS: x\nStatus: O\nX-Keywords: \n\nA\n\n",
		"[a 1795463673000|Status: RO\\r\\nX-Keywords: one\\r\\n two\\r\\nX-Status: F\\r\\nS: x\\r\\n\\r\\nA\\r\\n|"
		"$flagged]"},
	    {"nor of the message after",
		"From a Mon Nov 23 19:54:33 2026\nStatus: O\n\nFrom b Mon Nov 23 19:54:33 2026\nStatus: R\nS: x\n\n",
		"[a 1795463673000||][b 1795463673000|Status: R\\r\\nS: x\\r\\n|$seen]"},
	    {"Thunderbird's own in front",
		"From - Mon Nov 23 19:54:33 2026\nX-Mozilla-Status: 0000\nS: x\nX-Mozilla-Status: 0001\nT: y\n\nA\n\n",
		"[- 1795463673000|S: x\\r\\nX-Mozilla-Status: 0001\\r\\nT: y\\r\\n\\r\\nA\\r\\n|]"},
	    {"words in the middle, in several lines, and what is taken out beside",
		"From a Mon Nov 23 19:54:33 2026\nX-Keywords: one\n two\n\tthree\nS: four\n five\nX-Status: F\n\nA\n\n",
		"[a 1795463673000|X-Keywords: one\\r\\n two\\r\\n\\x09three\\r\\nS: four\\r\\n five\\r\\n\\r\\nA\\r\\n|"
		"$flagged one three two]"},
	    {"what is in the middle marks nothing as deleted",
		"From a Mon Nov 23 19:54:33 2026\nX-Status: AD\nX-Keywords: $deleted\nX-Mozilla-Status: 0009\nS: x\n\nA\n\n",
		"[a 1795463673000|X-Status: AD\\r\\nX-Keywords: $deleted\\r\\nX-Mozilla-Status: 0009\\r\\nS: x\\r\\n\\r\\nA\\r\\n|"
		"$answered $seen]"},
	    {"no field of the text",
		"From a Mon Nov 23 19:54:33 2026\nS: x\n\nStatus: R\n\nFrom b Mon Nov 23 19:54:33 2026\n\nStatus: R\n\n",
		"[a 1795463673000|S: x\\r\\n\\r\\nStatus: R\\r\\n|][b 1795463673000|\\r\\nStatus: R\\r\\n|]"},
	    {"nor of the message before",
		"From a Mon Nov 23 19:54:33 2026\nX-Keywords: one\n\nFrom b Mon Nov 23 19:54:33 2026\n two\nS: x\n\n",
		"[a 1795463673000||one][b 1795463673000| two\\r\\nS: x\\r\\n|]"},
	    {"ours says all of what stands in front of it",
		"From a Mon Nov 23 19:54:33 2026\nStatus: RO\nS: x\nX-Godwit-Status: a\nStatus: O\n\nA\n\n",
		"[a 1795463673000|Status: RO\\r\\nS: x\\r\\n\\r\\nA\\r\\n|a]"},
	    {"marked deleted", "From a Mon Nov 23 19:54:33 2026\nS: x\nX-Status: D\n\nA\n\n",
		"[a 1795463673000|S: x\\r\\n\\r\\nA\\r\\n|$deleted]"},
	    {"Thunderbird",
		"From - Mon Nov 23 19:54:33 2026\nX-Mozilla-Status: 1005\nX-Mozilla-Status2: 00000000\n"
		"X-Mozilla-Keys:    \nS: x\n\nA\n\n",
		"[- 1795463673000|S: x\\r\\n\\r\\nA\\r\\n|$flagged $forwarded $seen]"},
	    {"ours says all",
		"From a Mon Nov 23 19:54:33 2026\nX-Mozilla-Status: 0001\nStatus: RO\nX-Godwit-Status: a B\n"
		"Status: O\nX-Status: A\n\nA\n\n",
		"[a 1795463673000|X-Mozilla-Status: 0001\\r\\nStatus: RO\\r\\n\\r\\nA\\r\\n|a b]"},
	    {"a header without a body", "From a Mon Nov 23 19:54:33 2026\nS: x\nStatus: R\n\n",
		"[a 1795463673000|S: x\\r\\n|$seen]"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		expect_read(cases[i].what, str_of_c(cases[i].file), cases[i].want);
}

#define NOTES_SUBJECT "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
#define NOTES_FROM    "From: Mail System Internal Data <MAILER-DAEMON@x>\n"
#define NOTES_BEGIN   "From MAILER-DAEMON Mon Nov 23 19:54:33 2026\n"
#define NOTES_TEXT    "Status: RO\n\nThis text is part of the internal format of your mail folder.\n\n"
#define MAIL          "From a Mon Nov 23 19:54:33 2026\nS: x\n\nA\n\n"

/* Of UW-IMAP, in front of all mail; with a field less, or of our own export, it is mail. */
static void test_notes_in_front(void **state)
{
	static const struct {
		const char *what, *file;
		bool notes;
	} cases[] = {
	    {"X-IMAP", NOTES_BEGIN NOTES_FROM NOTES_SUBJECT "X-IMAP: 1311 7 $Label\n" NOTES_TEXT,
		true},
	    {"X-IMAPbase",
		NOTES_BEGIN NOTES_SUBJECT "x-imapbase: 1311 7\nX: y\n" NOTES_FROM NOTES_TEXT, true},
	    {"no X-IMAP", NOTES_BEGIN NOTES_SUBJECT NOTES_FROM NOTES_TEXT, false},
	    {"other subject",
		NOTES_BEGIN NOTES_FROM "Subject: Re: DON'T\nX-IMAP: 1311 7\n" NOTES_TEXT, false},
	    {"other sender", NOTES_BEGIN NOTES_SUBJECT "From: a@b\nX-IMAP: 1311 7\n" NOTES_TEXT,
		false},
	    {"not the first",
		MAIL NOTES_BEGIN NOTES_FROM NOTES_SUBJECT "X-IMAP: 1311 7\n" NOTES_TEXT, false},
	    {"ours",
		NOTES_BEGIN NOTES_FROM NOTES_SUBJECT
		"X-IMAP: 1311 7\nX: y\nX-Godwit-Status: \n" NOTES_TEXT,
		false},
	};
	struct buf file, found;

	buf_init(&file, 4 * KIB);
	buf_init(&found, 4 * KIB);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buf_clear(&file);
		buf_c(&file, cases[i].file);
		buf_lit(&file, MAIL);
		for (size_t first = 0; first <= file.n; first++) {
			static const struct str all = STR_INIT(
			    "[MAILER-DAEMON 1795463673000|no mail]"
			    "[a 1795463673000|S: x\r\n\r\nA\r\n|]");

			assert_true(read_in(&found, buf_view(&file), first, file.n));
			if (str_eq(buf_view(&found), all) != cases[i].notes)
				expect_text(cases[i].what, buf_view(&found),
				    cases[i].notes ? "notes" : "mail");
		}
	}
	buf_fini(&file);
	buf_fini(&found);
}

static void test_no_mbox(void **state)
{
	static const char *const files[] = {"x", "Subject: x\n\nFrom a\n", "\nFro", "from a\n"};
	struct buf found;

	buf_init(&found, KIB);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		struct str file = str_of_c(files[i]);

		for (size_t first = 0; first <= file.n; first++) {
			(void)read_in(&found, file, first, 1);
			assert_int_equal(found.n, 0);
		}
	}
	assert_false(read_in(&found, STR("Subject: x\n"), 0, 99));
	buf_fini(&found);
}

/* ---- writing ---- */

static void write_one(struct buf *file, struct str message, size_t piece, struct str keywords)
{
	struct mime_mbox_writer w;

	mime_mbox_write_begin(&w, file, STR("ann@a.test"), DATE, keywords);
	for (size_t at = 0; at < message.n; at += piece)
		mime_mbox_write(&w, str_sub(message, at, piece));
	mime_mbox_write_end(&w);
}

static void test_form(void **state)
{
	struct buf file;

	buf_init(&file, 64 * KIB);
	write_one(&file, STR("S: x\r\n\r\nFrom here\r\n>From\r\n>>From there\r\nend"), 3,
	    STR("$answered $seen blue"));
	expect_text("file", buf_view(&file),
	    "From ann@a.test Mon Nov 23 19:54:33 2026\nS: x\nX-Godwit-Status: $answered $seen blue\n"
	    "Status: RO\nX-Status: A\n\n>From here\n>From\n>>>From there\nend\n\n");
	buf_fini(&file);
}

/* A message that ends its last line comes back as it is, with the flags, whatever stands in it. */
static void test_there_and_back(void **state)
{
	static const char *const messages[] = {
	    "",
	    "\r\n",
	    "x\r\n",
	    "\r\n\r\n\r\n",
	    "S: x\r\n\r\nbody\r\n",
	    "S: x\r\n\r\nbody\r\n\r\n\r\n",
	    "From a\r\n>From b\r\n\r\nFrom c Mon Nov 23 19:54:33 2026\r\n\r\nFrom d Mon Nov 23 19:54:33 2026\r\n",
	    ">>>\r\n>>>From \r\nFro\r\nFrom\r\nFrom\tx\r\n",
	    "S: x\r\nStatus: RO\r\n\r\nx\r\n",
	    "S: x\r\nStatus: RO\r\n folded\r\n\r\nx\r\n",
	    "Status: RO\r\n\r\nx\r\n",
	    "F: a\r\nStatus: RO\r\nS: x\r\n\r\nx\r\n",
	    "F: a\r\nX-Keywords: one\r\n two\r\nS: x\r\n\r\nx\r\n",
	    "F: a\r\nX-Mozilla-Keys: one\r\nX-Status: AD\r\nS: x\r\n",
	    "F: a\r\nX-Godwit-Status: mine\r\nS: x\r\n\r\nx\r\n",
	    "F: a\r\nX-IMAP: 1 2\r\nS: x\r\n\r\nx\r\n",
	    "X-Mozilla-Status: 0001\r\nS: x\r\n\r\nx\r\n",
	    "S: x\r\nX-Godwit-Status: mine\r\nStatus: O\r\n\r\nx\r\n",
	    "S: x\r\nContent-Length: 7\r\n\r\nx\r\n",
	    " fold\r\nx\r\n\r\n\r\n",
	};
	static const char *const keywords[] = {"", "$seen", "$draft $flagged green"};
	struct buf file, found, want;

	buf_init(&file, 64 * KIB);
	buf_init(&found, 64 * KIB);
	buf_init(&want, 64 * KIB);
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		for (size_t k = 0; k < 3; k++) {
			struct str message = str_of_c(messages[i]);
			size_t piece = k ? k : 100;

			write_one(&file, message, piece, str_of_c(keywords[k]));
			on_begin(&want, STR("ann@a.test"), DATE);
			buf_str(&want, message);
			on_end(&want, str_of_c(keywords[k]));
		}
	}
	for (size_t first = 0; first <= file.n; first++) {
		assert_true(read_in(&found, buf_view(&file), first, file.n + 1));
		expect_text("back", buf_view(&found), buf_cstr(&want));
	}
	assert_true(read_in(&found, buf_view(&file), 0, 1));
	expect_text("back", buf_view(&found), buf_cstr(&want));
	buf_fini(&file);
	buf_fini(&found);
	buf_fini(&want);
}

/* Lines and headers above what is held back. */
static void test_large(void **state)
{
	struct buf message, file, found;
	struct str got;

	buf_init(&message, 8 * MIB);
	buf_init(&file, 16 * MIB);
	buf_init(&found, 16 * MIB);
	buf_lit(&message, "X: ");
	for (int i = 0; i < 300000; i++)
		buf_lit(&message, "12345\r\n ");
	buf_lit(&message, "\r\nStatus: R\r\n\r\n>From ");
	for (int i = 0; i < 5000; i++)
		buf_lit(&message, "From ");
	buf_lit(&message, "\r\n");
	write_one(&file, buf_view(&message), 1000, STR(""));
	for (size_t piece = 999; piece < 70000; piece += 23003) {
		assert_true(read_in(&found, buf_view(&file), 0, piece));
		got = str_from(buf_view(&found), str_find(buf_view(&found), '|') + 1);
		/* its own fields stay, and those that the writer added go */
		assert_int_equal(got.n, message.n + 2);
		assert_true(str_eq(str_sub(got, 0, message.n), buf_view(&message)));
	}
	buf_fini(&message);
	buf_fini(&file);
	buf_fini(&found);
}

/* What stands in front of a header that cannot be held is read all the same. */
static void test_long_header_of_others(void **state)
{
	struct buf file, found;
	struct str got;

	buf_init(&file, 4 * MIB);
	buf_init(&found, 4 * MIB);
	buf_lit(&file, "From a Mon Nov 23 19:54:33 2026\nStatus: RO\nX-Keywords: one\n two\n");
	while (file.n < MIB + 50000)
		buf_lit(&file, "X: 1234567890\n");
	buf_lit(&file, "X-Status: A\nX: 1\nX-Mozilla-Status: 0004\n\ntext\n");
	for (size_t piece = 999; piece < 70000; piece += 46007) {
		assert_true(read_in(&found, buf_view(&file), 0, piece));
		got = str_from(buf_view(&found), str_rfind(buf_view(&found), '|'));
		expect_text("words", got, "|$answered $flagged $seen one two]");
	}
	buf_fini(&file);
	buf_fini(&found);
}

/* A line that is not held ends the field before, or goes on with it; what follows it is of the field at hand. */
static void test_long_lines_of_others(void **state)
{
	static const struct {
		const char *line;
		const char *want;
	} cases[] = {
	    {"References: ", "|one]"},
	    {"X-Keywords: ", "|one]"},
	    {" ", "|$flagged evil one words]"},
	};
	struct buf file, found;

	buf_init(&file, 4 * KIB);
	buf_init(&found, 4 * KIB);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buf_clear(&file);
		buf_lit(&file, "From a Mon Nov 23 19:54:33 2026\nX-Keywords: one\n");
		buf_c(&file, cases[i].line);
		for (int n = 0; n < 1300; n++)
			buf_byte(&file, 'x');
		buf_lit(&file, "\n evil words $flagged\nS: x\n\ntext\n");
		for (size_t first = 0; first <= file.n; first++) {
			assert_true(read_in(&found, buf_view(&file), first, file.n));
			expect_text(cases[i].line,
			    str_from(buf_view(&found), str_rfind(buf_view(&found), '|')),
			    cases[i].want);
		}
	}
	buf_fini(&file);
	buf_fini(&found);
}

/* Fields of flags behind a header of any length around what is held back, and nothing else but them. */
static void test_long_headers(void **state)
{
	static const struct str fields = STR_INIT("Status: R\r\nX-Status: F\r\n"),
				words = STR_INIT("$flagged $seen one two");
	struct buf message, file, found;
	struct str got;

	buf_init(&message, 4 * MIB);
	buf_init(&file, 8 * MIB);
	buf_init(&found, 8 * MIB);
	for (size_t length = MIB - 300; length < MIB + 40; length += 17) {
		buf_clear(&message);
		buf_clear(&file);
		buf_lit(&message, "X-Mozilla-Status: 0001\r\nX: ");
		while (message.n < length)
			buf_byte(&message, 'x');
		buf_lit(&message, "\r\n");
		if (length % 2)
			buf_str(&message, fields);
		buf_lit(&message, "\r\ntext\r\n");
		write_one(&file, buf_view(&message), 100000, words);
		assert_true(read_in(&found, buf_view(&file), 0, 16384));
		got = str_from(buf_view(&found), str_find(buf_view(&found), '|') + 1);
		assert_true(str_eq(str_sub(got, 0, message.n), buf_view(&message)));
		expect_text("words", str_from(got, message.n), "|$flagged $seen one two]");
	}
	buf_fini(&message);
	buf_fini(&file);
	buf_fini(&found);
}

static void test_keywords(void **state)
{
	struct buf b;

	buf_init(&b, KIB);
	mime_keywords_put(&b, STR("  $Seen,work\t(no) WORK a\"b $answered "));
	expect_text("keywords", buf_view(&b), "$answered $seen work");
	assert_true(mime_keywords_has(buf_view(&b), STR("$seen")));
	assert_false(mime_keywords_has(buf_view(&b), STR("wor")));
	buf_clear(&b);
	mime_keywords_letters(&b, MIME_LETTERS_MAILDIR, STR("$draft $flagged $seen x"));
	expect_text("letters", buf_view(&b), "DFS");
	buf_clear(&b);
	mime_keywords_of_letters(&b, MIME_LETTERS_MAILDIR, STR("SRXa"));
	expect_text("words", buf_view(&b), " $answered $seen");
	buf_fini(&b);
}

/* n words "k00", "k01", ... or "kk00", ... of `length` octets each. */
static struct str many(struct buf *b, int n, int length)
{
	buf_clear(b);
	for (int i = 0; i < n; i++) {
		buf_byte(b, ' ');
		for (int j = 2; j < length; j++)
			buf_byte(b, 'k');
		buf_u64_pad(b, (uint64_t)i, 2);
	}
	return str_from(buf_view(b), 1);
}

static void test_keywords_change(void **state)
{
	static const struct {
		const char *old, *remove, *add, *want;
	} cases[] = {
	    {"", "", "", ""},
	    {"", "$seen", "", ""},
	    {"", "", "$seen", "$seen"},
	    {"$seen", "", "$seen", "$seen"},
	    {"$flagged work", "", "$seen", "$flagged $seen work"},
	    {"$flagged $seen work", "$seen", "", "$flagged work"},
	    {"$flagged $seen work", "$flagged work", "a z", "$seen a z"},
	    {"$seen", "$seen", "$seen", "$seen"},
	    {"work workshop", "work", "", "workshop"},
	};
	struct buf b, words;

	buf_init(&b, 2 * MIME_KEYWORDS_OUT);
	buf_init(&words, 2 * MIME_KEYWORDS_OUT);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buf_clear(&b);
		assert_true(mime_keywords_change(
		    &b, str_of_c(cases[i].old), str_of_c(cases[i].remove), str_of_c(cases[i].add)));
		expect_text(cases[i].old, buf_view(&b), cases[i].want);
	}
	/* as many as there may be, and not one more */
	buf_clear(&b);
	assert_true(mime_keywords_change(&b, many(&words, 64, 3), STR(""), STR("k63")));
	assert_true(str_eq(buf_view(&b), many(&words, 64, 3)));
	assert_false(mime_keywords_change(&b, buf_view(&words), STR(""), STR("z")));
	assert_true(mime_keywords_change(&b, many(&words, 64, 3), STR("k00"), STR("z")));
	/* 4096 octets, and not one more */
	buf_clear(&b);
	assert_true(mime_keywords_change(&b, many(&words, 16, 240), STR(""), STR("")));
	assert_int_equal(b.n, 16 * 241 - 1);
	buf_clear(&b);
	assert_true(mime_keywords_change(&b, many(&words, 17, 240), STR(""), STR("")));
	assert_int_equal(b.n, 4096);
	assert_false(mime_keywords_change(&b, buf_view(&words), STR(""), STR("a")));
	assert_int_equal(b.n, 4096);
	buf_fini(&b);
	buf_fini(&words);
}

static void test_keywords_are(void **state)
{
	struct buf words;

	buf_init(&words, 64 * KIB);
	assert_true(mime_keywords_are(STR("")));
	assert_true(mime_keywords_are(STR("$Seen work")));
	assert_false(mime_keywords_are(STR("$seen (work")));
	assert_false(mime_keywords_are(STR("\\Seen")));
	assert_false(mime_keywords_are(STR("gr\xc3\xbcn")));
	assert_true(mime_keywords_are(many(&words, 1, 255)));
	assert_false(mime_keywords_are(many(&words, 1, 256)));
	assert_true(mime_keywords_are(many(&words, 64, 10)));
	assert_false(mime_keywords_are(many(&words, 65, 10)));
	assert_true(mime_keywords_are(many(&words, 16, 255)));
	assert_false(mime_keywords_are(many(&words, 17, 255)));
	buf_fini(&words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_files_of_others),
	    cmocka_unit_test(test_notes_in_front),
	    cmocka_unit_test(test_no_mbox),
	    cmocka_unit_test(test_form),
	    cmocka_unit_test(test_there_and_back),
	    cmocka_unit_test(test_large),
	    cmocka_unit_test(test_long_header_of_others),
	    cmocka_unit_test(test_long_lines_of_others),
	    cmocka_unit_test(test_long_headers),
	    cmocka_unit_test(test_keywords),
	    cmocka_unit_test(test_keywords_change),
	    cmocka_unit_test(test_keywords_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

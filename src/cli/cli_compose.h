/* What composing a message takes, wherever it comes from: addresses, a Message-ID, the envelope. */
#ifndef CLI_CLI_COMPOSE_H
#define CLI_CLI_COMPOSE_H

#include "cli/cli_submit.h"
#include "mime/mime_address.h"

/* Appends a unique Message-ID without <>: time, random octets, "@" and the domain. */
void cli_compose_message_id(struct buf *b, struct str domain);

/*
 * The address as an envelope path; one without a domain gets `domain`. 0, or -1 with a sentence.
 * Everything lives in a.
 */
int cli_compose_path(struct arena *a, const struct mime_address *from, struct str domain,
    struct smtp_path *path_r, struct err *e);

/* The only address in text ("Bob <bob@example.org>"). 0, or -1 with a sentence. */
int cli_compose_address(
    struct arena *a, const char *text, struct mime_address *address_r, struct err *e);

/* Adds the mailboxes in text ("bob@example.org, Carol <carol@example.org>") to a list. */
int cli_compose_addresses(
    struct arena *a, const char *text, struct mime_address_list *list, struct err *e);

/* Each one has a domain and may stand in an envelope. 0, or -1 with a sentence about the first other. */
int cli_compose_check(struct arena *a, const struct mime_address_list *list, struct err *e);

/*
 * Fills in the message: reverse, recipients of all n lists, and the parameters that the content asks
 * for. header: the part of the content that is its header. 0, or -1 with a sentence.
 */
int cli_compose_envelope(struct arena *a, const struct smtp_path *reverse,
    const struct mime_address_list *lists, size_t n, struct str domain, struct str header,
    bool body_8bit, uint64_t size, struct smtp_client_message *message_r, struct err *e);

#endif

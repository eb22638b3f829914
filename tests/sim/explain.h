/* What the files that read explanations share: explain*.c. */
#ifndef SIM_EXPLAIN_H
#define SIM_EXPLAIN_H

#include "check.h"

struct sim_moment {
	int64_t at, span; /* span 0: none was said */
};

/* The time behind some words; span 0: the words are not there. */
struct sim_moment sim_moment_behind(struct str text, const char *words);

#define SIM_SENTENCES 72 /* at most that are told apart */

#define SIM_BY_ROUTE " through which mail for "
bool sim_has(struct str text, const char *words);

/* Each sentence about what was wished, who is told, and what came before is true. */
void sim_check_words(const struct sim_rcpt *r, const struct sim_claim *c, struct str text,
    const struct sim_facts *f);

/* Now and then: in Chinese the same is said, at the same times. text: in English. */
void sim_check_languages(struct queue_config *cfg, const struct queue_row *row,
    const struct queue_message *m, struct str text);

/* The words of a sentence in English, NULL behind the last; and how often each was told in this week. */
const char *sim_sentence(size_t i);
extern int64_t sim_told[SIM_SENTENCES];

#endif

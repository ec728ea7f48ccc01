/* The known word that a mistyped one is nearest to, for "did you mean ...?".
 *
 * Threads: one per search. */
#ifndef DKB_NEAR_H
#define DKB_NEAR_H

struct dkb_near {
    /* What was written. */
    const char *word;
    /* The nearest candidate so far; NULL where none is near. */
    const char *best;
    /* How many edits away a candidate may be at most to be nearer than `best`. */
    int most_edits;
};

/* `word` must outlive the search. Up to one edit for every three characters of it is near, but no
 * more than two. */
void dkb_near_init(struct dkb_near *near, const char *word);
/* Takes `candidate` where it is nearer than those before. An edit is a character more, less or
 * another, or two neighbours exchanged; capitals are the same as small letters. */
void dkb_near_try(struct dkb_near *near, const char *candidate);

#endif

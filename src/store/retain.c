/* retain.c - whole segments go, the oldest first: by the time they were received, and by bytes.
 *
 * The bytes are those of the whole folder: segments, logs with their reserved room, and what is
 * about to be written. Spans that are only in the log are never deleted. What was deleted but is
 * still being read counts no more: its room comes back when the reader ends, and deleting others
 * would not bring it back sooner.
 */
#include "base/buf.h"
#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"
#include "store/state.h"

static uint64_t kept_bytes(kis_store *s, const kis_segment_set *set)
{
    uint64_t bytes = atomic_load_explicit(&s->log_bytes, memory_order_relaxed);
    for (uint32_t i = 0; i < set->count; i++)
        bytes += set->at[i]->file_bytes;
    return bytes;
}

static void note_removed(kis_removed *removed, const kis_segment *segment)
{
    removed->files++;
    removed->spans += segment->info.row_count;
    removed->newest_unix_ns = KIS_MAX(removed->newest_unix_ns, segment->info.received_max);
}

/* How many of the oldest have to go, noted by the reason. */
static uint32_t choose(kis_store *s, const kis_segment_set *set, uint64_t more_bytes, uint64_t now,
                       kis_removed *by_age, kis_removed *by_room)
{
    uint64_t bytes = kept_bytes(s, set) + more_bytes;
    uint64_t keep_from = s->options.keep_ns > 0 && now > (uint64_t)s->options.keep_ns
                             ? now - (uint64_t)s->options.keep_ns
                             : 0;
    uint32_t count = 0;

    for (; count < set->count; count++) {
        bool is_old = set->at[count]->info.received_max < keep_from;
        if (!is_old && bytes <= s->keep_bytes)
            break;
        note_removed(is_old ? by_age : by_room, set->at[count]);
        bytes -= KIS_MIN(bytes, set->at[count]->file_bytes);
    }
    return count;
}

static void add_removed(kis_removed *to, const kis_removed *more)
{
    to->files += more->files;
    to->spans += more->spans;
    to->newest_unix_ns = KIS_MAX(to->newest_unix_ns, more->newest_unix_ns);
}

/* "5 files with 300 spans, received up to 3s ago", and behind a line before it the sum. */
static void put_removed(const kis_removed *removed, uint64_t now_unix_ns, kis_buf *out)
{
    char age[KIS_NUM_TEXT_MAX];
    uint64_t age_ns =
        now_unix_ns > removed->newest_unix_ns ? now_unix_ns - removed->newest_unix_ns : 0;
    size_t age_len = kis_duration_format((int64_t)(age_ns / 1000000000u * 1000000000u), age);

    kis_buf_add_fmt(out, "%llu file%s with %llu span%s, received up to " KIS_FMT " ago",
                    (unsigned long long)removed->files, KIS_PLURAL(removed->files),
                    (unsigned long long)removed->spans, KIS_PLURAL(removed->spans),
                    KIS_ARG(kis_str_of(age, age_len)));
    if (removed->said_files)
        kis_buf_add_fmt(out, "; with those before %llu files with %llu spans",
                        (unsigned long long)(removed->said_files + removed->files),
                        (unsigned long long)(removed->said_spans + removed->spans));
}

/* One line for all that went since the last one, and that seldom: a full folder loses a file with
 * each that comes. What is left then is said at the end. */
static void say_removed(kis_store *s, kis_removed *removed, bool is_for_room, uint64_t now_unix_ns,
                        bool is_end)
{
    char keep[KIS_NUM_TEXT_MAX], bytes[KIS_NUM_TEXT_MAX], room[256];
    uint64_t now = s->os->ops->now_ns(s->os);
    bool is_soon = removed->said_ns && now - removed->said_ns < KIS_RETAIN_SAY_NS;
    kis_buf what;

    if (!removed->files || (is_soon && !is_end))
        return;
    kis_str keep_text = { keep, kis_duration_format(s->options.keep_ns, keep) };
    kis_str bytes_text = { bytes, kis_size_format(s->keep_bytes, bytes) };
    bool is_early = is_for_room && s->options.keep_ns > 0;
    kis_buf_init_fixed(&what, room, sizeof(room));
    put_removed(removed, now_unix_ns, &what);
    kis_store_log(s, is_for_room ? 2 : 1, "removed %s" KIS_FMT "): " KIS_FMT "%s" KIS_FMT,
                  is_for_room ? "for want of room (keep-bytes is " : "by age (kept for ",
                  KIS_ARG(is_for_room ? bytes_text : keep_text), KIS_ARG(kis_buf_str(&what)),
                  is_early ? "; they were to be kept for " : "",
                  KIS_ARG(is_early ? keep_text : KIS_STR_NONE));
    *removed = (kis_removed){ .said_files = removed->said_files + removed->files,
                              .said_spans = removed->said_spans + removed->spans,
                              .said_ns = now };
}

/* Without a file to remove, too: what was not said yet is said when its time has come. */
static void say_all_removed(kis_store *s, uint64_t now_unix_ns, bool is_end)
{
    say_removed(s, &s->removed_by_age, false, now_unix_ns, is_end);
    say_removed(s, &s->removed_for_room, true, now_unix_ns, is_end);
}

void kis_store_retain_end(kis_store *s)
{
    say_all_removed(s, s->os->ops->now_unix_ns(s->os), true);
}

void kis_store_retain(kis_store *s, uint64_t more_bytes)
{
    kis_segment_set *old = s->segments; /* this thread alone replaces it */
    uint64_t now = s->os->ops->now_unix_ns(s->os);
    kis_removed by_age = { 0 }, for_room = { 0 };
    uint32_t gone = choose(s, old, more_bytes, now, &by_age, &for_room);
    kis_segment_set *set = gone ? kis_segment_set_new(s->alloc, old->count - gone) : NULL;

    if (!set) { /* nothing to do, or no memory: at the next tick */
        say_all_removed(s, now, false);
        return;
    }
    for (uint32_t i = gone; i < old->count; i++)
        set->at[i - gone] = kis_segment_ref(old->at[i]);
    kis_lock_take(&s->lock);
    s->segments = set;
    uint64_t oldest = set->count        ? set->at[0]->info.generation
                      : s->frozen_count ? s->frozen[0]->generation
                                        : s->active->generation;
    kis_lock_give(&s->lock);
    for (uint32_t i = 0; i < gone; i++) {
        kis_store_counter_add(&s->count.spans_deleted, old->at[i]->info.row_count);
        atomic_store(&old->at[i]->is_deleted, true); /* removed with the last reader's reference */
    }
    kis_store_counter_add(&s->count.segments_deleted, gone);
    kis_catalog_set_oldest(&s->catalog, oldest);
    kis_segment_set_unref(old);
    add_removed(&s->removed_by_age, &by_age);
    add_removed(&s->removed_for_room, &for_room);
    say_all_removed(s, now, false);
}

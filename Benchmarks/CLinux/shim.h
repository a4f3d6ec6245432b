// What the Glibc module lacks for a load generator: epoll(7), memmem(3), and timers that wake when they are due.
#pragma once
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

// <string.h> shows it to GNU sources only.
void *_Nullable memmem(const void *_Nonnull, size_t, const void *_Nonnull, size_t);

/// Lets the calling thread's sleeps end within a microsecond instead of the default 50 (prctl(2), PR_SET_TIMERSLACK).
static inline void linux_use_precise_timers(void) {
    prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
}

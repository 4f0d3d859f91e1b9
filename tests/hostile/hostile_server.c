#include "tests/hostile/hostile_server.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_SIZE = 4096, ARGUMENTS_MAX = 16 + 2 * HOSTILE_SETTINGS_MAX };

/* ---- beginning and end ----------------------------------------------------------------------- */

static void log_path(const struct hostile_server *server, char to[LINE_SIZE])
{
    (void)snprintf(to, LINE_SIZE, "%s/stderr.txt", server->path); /* fits */
}

/* In the child; does not return. */
static void run_program(const struct hostile_server *server, int out, const char *const *settings)
{
    char data[LINE_SIZE];
    char log[LINE_SIZE];
    char shards[16];
    char *arguments[ARGUMENTS_MAX] = {WEIR_PROGRAM, "server", "--listen", "127.0.0.1:0",
                                      "--data",     data,     "--shards", shards};
    int count = 8;
    (void)snprintf(data, sizeof data, "%s/data", server->path); /* both fit */
    (void)snprintf(shards, sizeof shards, "%d", HOSTILE_SHARDS);
    for (; settings != NULL && *settings != NULL && count < ARGUMENTS_MAX - 2; settings++) {
        arguments[count++] = "--set";
        arguments[count++] = (char *)(uintptr_t)*settings; /* execv does not write to it */
    }
    log_path(server, log);
    int err = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    if (err < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0) _exit(126);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)execv(WEIR_PROGRAM, arguments);
    _exit(127);
}

static void wait_until_it_listens(struct hostile_server *server, int from)
{
    char line[LINE_SIZE];
    unsigned port = 0;
    FILE *out = fdopen(from, "r");
    ck_assert_ptr_nonnull(out);
    ck_assert_msg(fgets(line, sizeof line, out) != NULL, "the server did not start: %s",
                  server->path);
    ck_assert_int_eq(sscanf(line, "listening on 127.0.0.1:%u,", &port), 1);
    server->port = (uint16_t)port;
    (void)fclose(out);
}

void hostile_begin(struct hostile_server *server, const char *const *settings)
{
    int ends[2];
    *server = (struct hostile_server){0};
    weir_test_directory(server->path);
    weir_heap_init(&server->heap, false);
    weir_budget_init(&server->budget, "test", &server->heap, NULL, 0);
    weir_arena_init(&server->arena, &server->budget, 0);
    (void)signal(SIGPIPE, SIG_IGN); /* a server that closes on us is no reason to die */
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    server->pid = fork();
    ck_assert_int_ge(server->pid, 0);
    if (server->pid == 0) run_program(server, ends[1], settings);
    (void)close(ends[1]);
    wait_until_it_listens(server, ends[0]);
}

static void show_log(const struct hostile_server *server)
{
    char path[LINE_SIZE];
    char line[LINE_SIZE];
    log_path(server, path);
    FILE *log = fopen(path, "r");
    while (log != NULL && fgets(line, sizeof line, log) != NULL) {
        (void)fputs(line, stderr);
    }
    if (log != NULL) (void)fclose(log);
}

void hostile_end(struct hostile_server *server)
{
    int status = 0;
    ck_assert_int_eq(kill(server->pid, SIGTERM), 0);
    ck_assert_int_eq(waitpid(server->pid, &status, 0), server->pid);
    bool is_well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!is_well) show_log(server);
    ck_assert_msg(is_well, "the server ended with status %d", status);
    ck_assert_int_eq(hostile_log_lines(server, "runtime error"), 0);
    weir_arena_close(&server->arena);
}

/* ---- from outside ---------------------------------------------------------------------------- */

int64_t hostile_memory(const struct hostile_server *server)
{
    char path[64];
    long long pages = -1;
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)server->pid); /* fits */
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "the server is gone");
    ck_assert_int_eq(fscanf(file, "%*s %lld", &pages), 1);
    (void)fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

int64_t hostile_memory_peak(const struct hostile_server *server)
{
    char path[64];
    char line[LINE_SIZE];
    long long kib = -1;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)server->pid); /* fits */
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "the server is gone");
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "VmHWM: %lld kB", &kib) == 1) break;
    }
    (void)fclose(file);
    ck_assert_int_ge(kib, 0);
    return kib * 1024;
}

int64_t hostile_memory_bound(int64_t bytes)
{
#ifdef WEIR_SANITIZED
    return 6 * bytes + 512LL * 1024 * 1024;
#else
    return bytes;
#endif
}

int hostile_descriptors(const struct hostile_server *server)
{
    char path[64];
    int count = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)server->pid); /* fits */
    DIR *folder = opendir(path);
    ck_assert_msg(folder != NULL, "the server is gone");
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count - 2; /* . and .. */
}

int hostile_log_lines(const struct hostile_server *server, const char *text)
{
    char path[LINE_SIZE];
    char line[LINE_SIZE];
    int count = 0;
    log_path(server, path);
    FILE *log = fopen(path, "r");
    ck_assert_ptr_nonnull(log);
    while (fgets(line, sizeof line, log) != NULL) {
        if (strstr(line, text) != NULL) count++;
    }
    (void)fclose(log);
    return count;
}

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/**
 * Run a fuzz target over the files of a folder, in builds without a fuzzer: what it once found, and
 * one seed for each kind of input, stays tested. A folder that is missing or empty is a failure,
 * since then nothing was tested.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATH_SIZE = 4096 };

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        if (file != NULL) fclose(file);
        return -1;
    }
    long size = ftell(file);
    rewind(file);
    uint8_t *data = malloc((size_t)size + 1);
    size_t read = data != NULL ? fread(data, 1, (size_t)size, file) : 0;
    fclose(file);
    if (data == NULL || read != (size_t)size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        free(data);
        return -1;
    }
    fprintf(stderr, "%s\n", path); /* the last one named is the one that failed */
    (void)LLVMFuzzerTestOneInput(data, read);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    DIR *folder = opendir(argv[1]);
    if (folder == NULL) {
        perror(argv[1]);
        return 1;
    }
    int count = 0;
    int failures = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] == '.') continue;
        char path[PATH_SIZE];
        (void)snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name); /* else fopen fails */
        failures += replay(path) < 0;
        count++;
    }
    closedir(folder);
    if (count == 0) fprintf(stderr, "%s: no files\n", argv[1]);
    printf("%d files replayed\n", count);
    return count == 0 || failures != 0 ? 1 : 0;
}

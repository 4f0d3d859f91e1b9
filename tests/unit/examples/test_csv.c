/* The fraud example reads payments from a file: what is one, and why a line is none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "tests/support/support.h"

enum { HOUR_MS = 3600 * 1000 };
static const int64_t LATEST_MS = 1700000000000 + HOUR_MS;

#define HEADER_REST "cc_num,merchant,category,amt,lat,long,unix_time,merch_lat,merch_long,is_fraud"
#define HEADER "n," HEADER_REST "\n"

static struct csv csv;
static char reason[256];

/* Open a file with these bytes. */
static bool open_bytes(const char *bytes, size_t size)
{
    char path[WEIR_TEST_PATH_SIZE + 16];
    weir_test_directory(path);
    strcat(path, "/payments.csv");
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    return csv_open(&csv, path, LATEST_MS, reason, sizeof reason);
}

static bool open_text(const char *text)
{
    return open_bytes(text, strlen(text));
}

/* The next line is a payment of this amount. */
static void expect_amount(double amount)
{
    struct payment payment;
    int result = (int)csv_next(&csv, &payment, reason, sizeof reason);
    ck_assert_msg(result == CSV_PAYMENT, "%d: %s", result, reason);
    ck_assert_double_eq(payment.amount, amount);
}

static void expect_end(void)
{
    struct payment payment;
    ck_assert_int_eq(csv_next(&csv, &payment, reason, sizeof reason), CSV_END);
}

static void expect_bad(int64_t line, const char *why)
{
    struct payment payment;
    ck_assert_int_eq(csv_next(&csv, &payment, reason, sizeof reason), CSV_BAD);
    ck_assert_int_eq(csv.lines.line, line);
    ck_assert_msg(strstr(reason, why) != NULL, "'%s' does not say '%s'", reason, why);
}

/* Quoted commas, doubled quotes, 19-digit cards and long decimals are read as they are meant. */
START_TEST(a_payment_is_read_with_its_quotes_and_digits)
{
    struct payment payment;
    ck_assert(open_text(
        HEADER "0,4992346398065154184,\"fraud_Rippin, Kub and \"\"Mann\"\"\",misc_net,4.97,"
               "36.0788,-81.1781,1325376018,36.011293000000001,-82.048315,1\r\n"));
    ck_assert_int_eq(csv_next(&csv, &payment, reason, sizeof reason), CSV_PAYMENT);
    ck_assert_str_eq(payment.card, "4992346398065154184");
    ck_assert_str_eq(payment.merchant, "fraud_Rippin, Kub and \"Mann\"");
    ck_assert_double_eq(payment.amount, 4.97);
    ck_assert_double_eq(payment.shop_latitude, 36.011293000000001);
    ck_assert_int_eq(payment.time_ms, 1325376018000);
    ck_assert(payment.is_fraud);
    ck_assert_int_eq(payment.position, 2);
    ck_assert_int_eq(csv_next(&csv, &payment, reason, sizeof reason), CSV_END);
}
END_TEST

/* A bad line is named by number and reason, and the next good one is read. */
START_TEST(a_bad_line_is_reported_and_the_next_one_read)
{
    struct payment payment;
    ck_assert(open_text(HEADER "0,123\n"
                               "1,4992346398065154184,\"m,c,1,2,3,4,5,6,0\n"
                               "2,49923463980651541841,m,c,1,2,3,4,5,6,0\n"
                               "3,4992346398065154184,m,c,12x,2,3,4,5,6,0\n"
                               "4,4992346398065154184,m,c,1,nan,3,4,5,6,0\n"
                               "\n"
                               "5,4992346398065154184,m,c,1,2,3,-4,5,6,0\n"
                               "6,4992346398065154184,m,c,1,2,3,4,5,6,0"));
    expect_bad(2, "2 fields, the header has 11");
    expect_bad(3, "a quote is not closed");
    expect_bad(4, "cc_num is '49923463980651541841'");
    expect_bad(5, "amt is '12x'");
    expect_bad(6, "lat is 'nan'");
    expect_bad(8, "unix_time is '-4'");
    ck_assert_int_eq(csv_next(&csv, &payment, reason, sizeof reason), CSV_PAYMENT);
    ck_assert_int_eq(payment.position, 9);
    ck_assert_int_eq(csv_next(&csv, &payment, reason, sizeof reason), CSV_END);
}
END_TEST

/* A field that is too long for its place is refused, not cut. */
START_TEST(a_merchant_that_is_too_long_is_refused)
{
    char line[512];
    char merchant[200];
    memset(merchant, 'm', sizeof merchant - 1);
    merchant[sizeof merchant - 1] = '\0';
    (void)snprintf(line, sizeof line, HEADER "0,4992346398065154184,%s,c,1,2,3,4,5,6,0\n",
                   merchant);
    ck_assert(open_text(line));
    expect_bad(2, "merchant is 'mmm");
}
END_TEST

/* A file without a needed column, an empty one and none at all are refused, naming what is missing. */
START_TEST(a_file_of_another_layout_is_refused)
{
    ck_assert(!open_text("cc_num,merchant\n"));
    ck_assert_ptr_nonnull(strstr(reason, "no column 'category'"));
    ck_assert(!open_text(""));
    ck_assert_ptr_nonnull(strstr(reason, "it is empty: no header line"));
    ck_assert(!csv_open(&csv, "/tmp", LATEST_MS, reason, sizeof reason));
    ck_assert_ptr_nonnull(strstr(reason, "/tmp: it is a folder"));
    ck_assert(!open_bytes("PK\x03\x04 and more", 13));
    ck_assert_ptr_nonnull(strstr(reason, "spreadsheet: save the sheet as CSV"));
    ck_assert(!open_text("cc_num," HEADER));
    ck_assert_ptr_nonnull(strstr(reason, "column 'cc_num' twice, the second as field 3"));
    ck_assert(!csv_open(&csv, "/nowhere/at/all.csv", LATEST_MS, reason, sizeof reason));
    ck_assert_ptr_nonnull(strstr(reason, "/nowhere/at/all.csv: No such file"));
}
END_TEST

#define ROW(amount) "0,4992346398065154184,m,c," amount ",2,3,4,5,6,0"

/* With a byte order mark, with either end of line and without the last one. */
START_TEST(marks_and_ends_of_lines_are_read)
{
    ck_assert(open_text("\xef\xbb\xbf" HEADER ROW("1") "\n" ROW("2") "\n"));
    expect_amount(1);
    expect_amount(2);
    expect_end();
    csv_close(&csv);
    ck_assert(open_text("\xef\xbb\xbf\"n\"," HEADER_REST "\r\n" ROW("1") "\r\n\r\n" ROW("2")));
    expect_amount(1);
    expect_amount(2);
    ck_assert_int_eq(csv.lines.line, 4);
    expect_end();
    csv_close(&csv);
    ck_assert(open_text("n," HEADER_REST "\r" ROW("1") "\r" ROW("2") "\r"));
    expect_amount(1);
    expect_amount(2);
    expect_end();
}
END_TEST

/* UTF-16 of either order, with its mark or without, is the same text; also beyond 16 bits. */
START_TEST(utf_16_is_read)
{
    static const char text[] = HEADER "0,4992346398065154184,Zo\xeb,c,7,2,3,4,5,6,0\n";
    for (int i = 0; i < 4; i++) {
        char bytes[2 * sizeof text + 8];
        bool is_big = i % 2 == 1;
        size_t size = 0;
        if (i < 2) {
            memcpy(bytes, is_big ? "\xfe\xff" : "\xff\xfe", 2);
            size = 2;
        }
        for (const char *at = text; *at != '\0'; at++) {
            bytes[size + (is_big ? 1 : 0)] = *at;
            bytes[size + (is_big ? 0 : 1)] = 0;
            size += 2;
            if (*at != '\xeb') continue; /* and a character of two units */
            memcpy(bytes + size, is_big ? "\xd8\x3d\xde\x00" : "\x3d\xd8\x00\xde", 4);
            size += 4;
        }
        struct payment payment;
        ck_assert(open_bytes(bytes, size));
        ck_assert_int_eq(csv_next(&csv, &payment, reason, sizeof reason), CSV_PAYMENT);
        ck_assert_str_eq(payment.merchant, "Zo\xc3\xab\xf0\x9f\x98\x80");
        expect_end();
        csv_close(&csv);
    }
}
END_TEST

/* Semicolons, tabs, bars, and blanks around fields, quoted or not. */
START_TEST(separators_and_blanks_are_found_out)
{
    static const char *const files[] = {
        "cc_num;merchant;category;amt;lat;long;unix_time;merch_lat;merch_long;is_fraud\n"
        "4992346398065154184;\"a, b; c\";c;1.5;2;3;4;5;6;0\n",
        "cc_num\tmerchant\tcategory\tamt\tlat\tlong\tunix_time\tmerch_lat\tmerch_long\tis_fraud\n"
        "4992346398065154184\ta, b; c\tc\t1.5\t2\t3\t4\t5\t6\t0\n",
        "cc_num|merchant|category|amt|lat|long|unix_time|merch_lat|merch_long|is_fraud\n"
        "4992346398065154184|a, b; c|c|1.5|2|3|4|5|6|0\n",
        "cc_num, merchant, category, amt, lat, long, unix_time, merch_lat , merch_long, is_fraud\n"
        "'4992-3463 9806-5154184 , \"a, b; c\" , c, \" 1.5\", 2, 3, 4, 5, 6, 0 \n",
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct payment payment;
        ck_assert_msg(open_text(files[i]), "%zu: %s", i, reason);
        int result = (int)csv_next(&csv, &payment, reason, sizeof reason);
        ck_assert_msg(result == CSV_PAYMENT, "%zu: %s", i, reason);
        ck_assert_str_eq(payment.card, "4992346398065154184");
        ck_assert_str_eq(payment.merchant, "a, b; c");
        ck_assert_double_eq(payment.amount, 1.5);
        csv_close(&csv);
    }
}
END_TEST

/* What looks like a number and is none in such a file is named, with what would be right. */
START_TEST(values_are_refused_with_what_would_be_right)
{
    ck_assert(open_text(HEADER ROW("0x1F") "\n" ROW("\"1,234.56\"") "\n" ROW("inf") "\n" ROW(
        "-1") "\n" ROW("1e") "\n"
                             "0,4.99234E+18,m,c,1,2,3,4,5,6,0\n"
                             "0,4992346398065154184,m,c,1,2,3,2020-01-01,5,6,0\n"
                             "0,4992346398065154184,m,c,1,2,3,1371816865000,5,6,0\n"
                             "0,4992346398065154184,m,c,1,2,3,1700003601,5,6,0\n"
                             "0,4992346398065154184,m,c,1,2,3,1700003600,5,6,0\n" HEADER));
    expect_bad(2, "amt is '0x1F' (hexadecimal); it takes a number from 0");
    expect_bad(3, "amt is '1,234.56' (no commas");
    expect_bad(4, "amt is 'inf' (not a number)");
    expect_bad(5, "amt is '-1' (out of range)");
    expect_bad(6, "amt is '1e' (not a number)");
    expect_bad(7, "cc_num is '4.99234E+18' (a spreadsheet has");
    expect_bad(8, "unix_time is '2020-01-01' (a date");
    expect_bad(9, "unix_time is '1371816865000' (milliseconds?)");
    expect_bad(10, "unix_time is '1700003601' (more than an hour ahead");
    expect_amount(1);
    expect_bad(12, "the header line once more");
    expect_end();
}
END_TEST

/* A line that is longer than a file of payments has them is a bad line, and the next one is read. */
START_TEST(a_line_without_bounds_is_one_bad_line)
{
    enum { EXTRA = 100 };
    size_t head = strlen(HEADER), tail = strlen(ROW("1"));
    size_t size = head + LINE_SIZE_MAX + EXTRA + 1 + tail;
    char *text = malloc(size);
    ck_assert_ptr_nonnull(text);
    memcpy(text, HEADER, head);
    memset(text + head, 'x', LINE_SIZE_MAX + EXTRA);
    text[head + LINE_SIZE_MAX + EXTRA] = '\n';
    memcpy(text + size - tail, ROW("1"), tail);
    ck_assert(open_bytes(text, size));
    expect_bad(2, "a line of 16777316 bytes, more than 16777216");
    expect_amount(1);
    expect_end();
    free(text);
}
END_TEST

static void close_csv(void)
{
    csv_close(&csv);
}

static void add(Suite *suite)
{
    TCase *tests = tcase_create("csv");
    tcase_add_checked_fixture(tests, NULL, close_csv);
    tcase_add_test(tests, a_payment_is_read_with_its_quotes_and_digits);
    tcase_add_test(tests, a_bad_line_is_reported_and_the_next_one_read);
    tcase_add_test(tests, a_merchant_that_is_too_long_is_refused);
    tcase_add_test(tests, a_file_of_another_layout_is_refused);
    tcase_add_test(tests, marks_and_ends_of_lines_are_read);
    tcase_add_test(tests, utf_16_is_read);
    tcase_add_test(tests, separators_and_blanks_are_found_out);
    tcase_add_test(tests, values_are_refused_with_what_would_be_right);
    tcase_add_test(tests, a_line_without_bounds_is_one_bad_line);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("examples_csv", add);
}

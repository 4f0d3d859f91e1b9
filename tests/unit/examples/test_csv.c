/* The fraud example reads payments from a file: what is one, and why a line is none. */
#include <stdio.h>
#include <string.h>

#include "csv.h"
#include "tests/support/support.h"

#define HEADER "n,cc_num,merchant,category,amt,lat,long,unix_time,merch_lat,merch_long,is_fraud\n"

static struct csv csv;
static char reason[256];

/* Open a file with this text. */
static bool open_text(const char *text)
{
    char path[WEIR_TEST_PATH_SIZE + 16];
    weir_test_directory(path);
    strcat(path, "/payments.csv");
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    return csv_open(&csv, path, reason, sizeof reason);
}

static void expect_bad(int64_t line, const char *why)
{
    struct payment payment;
    ck_assert_int_eq(csv_next(&csv, &payment, reason, sizeof reason), CSV_BAD);
    ck_assert_int_eq(csv.line, line);
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
    expect_bad(7, "1 fields");
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
    ck_assert_ptr_nonnull(strstr(reason, "no header line"));
    ck_assert(!csv_open(&csv, "/nowhere/at/all.csv", reason, sizeof reason));
    ck_assert_ptr_nonnull(strstr(reason, "/nowhere/at/all.csv: No such file"));
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
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("examples_csv", add);
}

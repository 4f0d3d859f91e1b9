#include "payment.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const struct weir_field payment_fields[] = {
    WEIR_FIELD_INT64(struct payment, position),
    WEIR_FIELD_INT64(struct payment, time_ms),
    WEIR_FIELD_TEXT(struct payment, card),
    WEIR_FIELD_TEXT(struct payment, merchant),
    WEIR_FIELD_TEXT(struct payment, category),
    WEIR_FIELD_DOUBLE(struct payment, amount),
    WEIR_FIELD_DOUBLE(struct payment, home_latitude),
    WEIR_FIELD_DOUBLE(struct payment, home_longitude),
    WEIR_FIELD_DOUBLE(struct payment, shop_latitude),
    WEIR_FIELD_DOUBLE(struct payment, shop_longitude),
    WEIR_FIELD_BOOL(struct payment, is_fraud),
};

static const struct weir_struct_type payment_type = {
    .name = "payment",
    .size = sizeof(struct payment),
    .version = 1,
    .fields = payment_fields,
    .field_count = COUNT_OF(payment_fields),
};

static const struct weir_field profile_fields[] = {
    WEIR_FIELD_INT64(struct profile, count),
    WEIR_FIELD_DOUBLE(struct profile, mean),
    WEIR_FIELD_DOUBLE(struct profile, squares),
    WEIR_FIELD_DOUBLE(struct profile, deviations),
    WEIR_FIELD_STRUCT(struct profile, payment, &payment_type),
};

static const struct weir_struct_type profile_type = {
    .name = "profile",
    .size = sizeof(struct profile),
    .version = 1,
    .fields = profile_fields,
    .field_count = COUNT_OF(profile_fields),
};

const struct weir_serde payment_serde = WEIR_STRUCT_SERDE(&payment_type, struct payment);
const struct weir_serde profile_serde = WEIR_STRUCT_SERDE(&profile_type, struct profile);

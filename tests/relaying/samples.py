"""What the vendors send, in the forms their documentation shows, and what becomes of it.

Each sample is one message as it comes over the wire; its outcomes are the events it holds, whole.
"""

from dataclasses import dataclass
from typing import Any

from sync.relay.vendors.protocol import Vendor

ID = "018fd0a5-5b6c-7000-8000-000000000001"
PROFILE_ID = f"{ID}.profile"
RECEIVED = "2026-11-21T09:30:00Z"


@dataclass(frozen=True)
class Outcome:
    """One event of a message.

    Attributes:
        event: The element that is sent, whole; `None` where nothing is.
        profile: The customer's attributes that are sent, whole.
        held: Why it is not sent.
    """

    event: dict[str, Any] | None
    profile: dict[str, Any] | None = None
    held: str | None = None


@dataclass(frozen=True)
class Sample:
    """A message and what becomes of it."""

    name: str
    vendor: Vendor
    body: str
    outcomes: tuple[Outcome, ...]


def event(customer: str, name: str, at: str, /, **attributes: Any) -> dict[str, Any]:
    return {
        "type": "event",
        "customer_id": customer,
        "actions": [
            {
                "action": name,
                "attributes": {"relay_event_id": ID, **attributes},
                "current_time": at,
            }
        ],
    }


def customer(identifier: str, /, **attributes: Any) -> dict[str, Any]:
    return {
        "type": "customer",
        "customer_id": identifier,
        "attributes": {"relay_event_id": PROFILE_ID, **attributes},
    }


PUNCHH_CHECKIN = Sample(
    "punchh check-in",
    Vendor.PUNCHH,
    """
    {"content_id": "5b1d3c1e-0000-4000-8000-000000000001", "timestamp": 1735689600,
     "business_id": 7, "business_uuid": "b-uuid", "business_slug": "acme",
     "event_name": "checkins", "event_type": "loyalty", "action": "create",
     "payload": {"checkin_type": "BarcodeCheckin", "user_id": 9007199254740993,
       "store_number": "123", "channel": "Mobile", "receipt_amount": 20.0,
       "receipt_date": "2025-01-01T00:00:00Z", "points_earned": 20, "points_spent": 0,
       "status": "loyalty", "created_at": "2025-01-01T00:00:00Z",
       "menu_items": [{"item_name": "Latte", "item_qty": 1, "item_amount": 4.50},
                      {"item_name": "Bun", "item_qty": 2, "item_amount": 6.00}],
       "user": {"user_id": 9007199254740993, "email": "member-1001@example.com",
         "external_source": "customer_id", "external_source_id": "cust-1001"}}}
    """,
    (
        Outcome(
            event(
                "cust-1001",
                "punchh_checkins_loyalty",
                "2025-01-01T00:00:00Z",
                event_type="loyalty",
                action="create",
                checkin_type="BarcodeCheckin",
                user_id=9007199254740993,
                store_number="123",
                channel="Mobile",
                receipt_amount=20.0,
                receipt_date="2025-01-01T00:00:00Z",
                points_earned=20,
                points_spent=0,
                status="loyalty",
                created_at="2025-01-01T00:00:00Z",
                menu_items_count=2,
                menu_items_item_name=["Latte", "Bun"],
                menu_items_item_qty=[1, 2],
                menu_items_item_amount=[4.5, 6.0],
                business_id=7,
                business_uuid="b-uuid",
                business_slug="acme",
                user_user_id=9007199254740993,
                user_email="member-1001@example.com",
                user_external_source="customer_id",
                user_external_source_id="cust-1001",
            )
        ),
    ),
)

PUNCHH_USER = Sample(
    "punchh user, time in milliseconds",
    Vendor.PUNCHH,
    """
    {"content_id": "5b1d3c1e-0000-4000-8000-000000000002", "timestamp": 1735689600123,
     "business_id": 7, "business_uuid": "b-uuid", "event_name": "users", "event_type": "",
     "action": "update",
     "payload": {"user_id": 111111111, "email": "member-1001@example.com", "first_name": "Member",
       "birthday": "1990-02-28", "external_source": "customer_id",
       "external_source_id": "cust-1001", "user_status": "active", "phone": "5550100",
       "anniversary": null, "updated_at": "2025-01-01T00:00:00Z",
       "previous_changes": ["email", "updated_at"]}}
    """,
    (
        Outcome(
            event(
                "cust-1001",
                "punchh_users",
                "2025-01-01T00:00:00.123Z",
                action="update",
                user_id=111111111,
                email="member-1001@example.com",
                first_name="Member",
                birthday="1990-02-28",
                external_source="customer_id",
                external_source_id="cust-1001",
                user_status="active",
                phone="5550100",
                updated_at="2025-01-01T00:00:00Z",
                previous_changes=["email", "updated_at"],
                business_id=7,
                business_uuid="b-uuid",
            ),
            customer(
                "cust-1001",
                u_fn="Member",
                u_em="member-1001@example.com",
                u_mb="5550100",
                u_bd="1990-02-28",
                punchh_user_status="active",
            ),
        ),
    ),
)

PUNCHH_GIFT = Sample(
    "punchh gift check-in",
    Vendor.PUNCHH,
    """
    {"content_id": "c-gift", "timestamp": 1735689600, "business_id": 7, "event_name": "checkins",
     "event_type": "gift", "action": "console",
     "payload": {"points_earned": 5, "gift_reason": "Birthday", "gifted_by_id": 12,
       "gifted_by_type": "Admin", "user": {"user_id": 9, "external_source_id": "cust-1002"}}}
    """,
    (
        Outcome(
            event(
                "cust-1002",
                "punchh_checkins_gift",
                "2025-01-01T00:00:00Z",
                event_type="gift",
                action="console",
                points_earned=5,
                gift_reason="Birthday",
                gifted_by_id=12,
                gifted_by_type="Admin",
                business_id=7,
                user_user_id=9,
                user_external_source_id="cust-1002",
            )
        ),
    ),
)

PUNCHH_REDEMPTION = Sample(
    "punchh redemption, its code hidden",
    Vendor.PUNCHH,
    """
    {"content_id": "c-redemption", "timestamp": 1735689600, "event_name": "redemptions",
     "event_type": "", "action": "pos",
     "payload": {"redemption_id": 77, "redemption_status": "processed", "redeemed_points": 100,
       "redemption_code": {"id": 5, "status": "processed", "internal_tracking_code": "912345"},
       "user": {"user_id": 9, "external_source_id": "cust-1002"}}}
    """,
    (
        Outcome(
            event(
                "cust-1002",
                "punchh_redemptions",
                "2025-01-01T00:00:00Z",
                action="pos",
                redemption_id=77,
                redemption_status="processed",
                redeemed_points=100,
                redemption_code_id=5,
                redemption_code_status="processed",
                user_user_id=9,
                user_external_source_id="cust-1002",
            )
        ),
    ),
)

PUNCHH_REWARD = Sample(
    "punchh reward, a balance partly in text",
    Vendor.PUNCHH,
    """
    {"content_id": "c-reward", "timestamp": 1735689600, "event_name": "rewards", "action": "create",
     "payload": {"reward_id": 31, "name": "Free coffee", "status": "unredeemed",
       "expiring_at": "2025-02-01T23:59:59-05:00", "store_numbers": ["1", "2"],
       "user": {"user_id": 9, "external_source_id": "cust-1002",
         "account_balance": {"points_balance": 120, "total_debits": "0.0",
           "current_membership_tier_name": "Gold"}}}}
    """,
    (
        Outcome(
            event(
                "cust-1002",
                "punchh_rewards",
                "2025-01-01T00:00:00Z",
                action="create",
                reward_id=31,
                name="Free coffee",
                status="unredeemed",
                expiring_at="2025-02-02T04:59:59Z",
                store_numbers=["1", "2"],
                user_user_id=9,
                user_external_source_id="cust-1002",
                user_account_balance_points_balance=120,
                user_account_balance_total_debits=0,
                user_account_balance_current_membership_tier_name="Gold",
            ),
            customer(
                "cust-1002",
                punchh_points_balance=120,
                punchh_total_debits=0,
                punchh_current_membership_tier_name="Gold",
            ),
        ),
    ),
)

PUNCHH_REDEEMABLE = Sample(
    "punchh redeemable, which concerns no customer",
    Vendor.PUNCHH,
    """
    {"content_id": "c-redeemable", "timestamp": 1735689600, "event_name": "redeemables",
     "event_type": "", "action": "update",
     "payload": {"redeemable_id": 3, "name": "Free bun", "status": "active"}}
    """,
    (Outcome(None, held="business_level"),),
)

PUNCHH_MARKETING = Sample(
    "punchh marketing notification without the customer's id",
    Vendor.PUNCHH,
    """
    {"content_id": "c-marketing", "timestamp": 1735689600, "business_id": 7,
     "event_name": "marketing_notifications", "event_type": "recall_campaign", "action": "create",
     "payload": {"campaign_id": 4, "campaign_name": "We miss you", "coupon_code": "SECRET-1",
       "user": {"user_id": 9, "email": "member-1002@example.com"}}}
    """,
    (Outcome(None, held="waits for user/7/9"),),
)

PUNCHH_TRANSACTIONAL = Sample(
    "punchh transactional notification with a stray blank",
    Vendor.PUNCHH,
    """
    {"content_id": "c-transactional", "timestamp": 1735689600,
     "event_name": " transactional_notifications", "event_type": "points_expiry_reminder",
     "action": "create",
     "payload": {"points": 40, "expiring_on": "2025-01-31",
       "user": {"user_id": 9, "external_source_id": "cust-1002"}}}
    """,
    (
        Outcome(
            event(
                "cust-1002",
                "punchh_transactional_notifications",
                "2025-01-01T00:00:00Z",
                event_type="points_expiry_reminder",
                action="create",
                points=40,
                expiring_on="2025-01-31",
                user_user_id=9,
                user_external_source_id="cust-1002",
            )
        ),
    ),
)

PUNCHH_SIGNUP = Sample(
    "punchh sign-up, whose payload is the user and holds addresses that must not be kept",
    Vendor.PUNCHH,
    """
    {"content_id": "c-signup", "timestamp": 1735689600, "business_id": 7,
     "event_name": "transactional_notifications", "event_type": "user_signup", "action": "create",
     "payload": {"user_id": 9, "external_source_id": "cust-1002",
       "reset_password_url": "https://example.com/reset?token=abc",
       "email_confirmation_url": "https://example.com/confirm?token=abc"}}
    """,
    (
        Outcome(
            event(
                "cust-1002",
                "punchh_transactional_notifications",
                "2025-01-01T00:00:00Z",
                event_type="user_signup",
                action="create",
                user_id=9,
                external_source_id="cust-1002",
                business_id=7,
            )
        ),
    ),
)

PUNCHH_COUPON = Sample(
    "punchh coupon",
    Vendor.PUNCHH,
    """
    {"content_id": "c-coupon", "timestamp": 1735689600, "event_name": "coupons", "event_type": "",
     "action": "create",
     "payload": {"coupon_id": 8, "code": "LIVE-CODE", "coupon_type": "discount",
       "applicable_percentage_discount": 12.5, "expiry_at": "2025-03-01T00:00:00Z",
       "user": {"external_source_id": "cust-1002"}}}
    """,
    (
        Outcome(
            event(
                "cust-1002",
                "punchh_coupons",
                "2025-01-01T00:00:00Z",
                action="create",
                coupon_id=8,
                coupon_type="discount",
                applicable_percentage_discount=12.5,
                expiry_at="2025-03-01T00:00:00Z",
                user_external_source_id="cust-1002",
            )
        ),
    ),
)

PUNCHH_COUPON_REDEMPTION = Sample(
    "punchh coupon redemption",
    Vendor.PUNCHH,
    """
    {"content_id": "c-coupon-redemption", "timestamp": 1735689600,
     "event_name": "user_coupon_redemptions", "event_type": null, "action": "create",
     "payload": {"user_coupon_redemption_id": 81, "code": "LIVE-CODE", "status": "honored",
       "discount": 3.25, "user": {"external_source_id": "cust-1002"}}}
    """,
    (
        Outcome(
            event(
                "cust-1002",
                "punchh_user_coupon_redemptions",
                "2025-01-01T00:00:00Z",
                action="create",
                user_coupon_redemption_id=81,
                status="honored",
                discount=3.25,
                user_external_source_id="cust-1002",
            )
        ),
    ),
)

PUNCHH_UNKNOWN = Sample(
    "punchh family nobody has heard of",
    Vendor.PUNCHH,
    """
    {"content_id": "c-unknown", "timestamp": 1735689600, "event_name": "_notifications",
     "action": "create", "payload": {"x.y z": 1, "user": {"external_source_id": "cust-1002"}}}
    """,
    (
        Outcome(
            event(
                "cust-1002",
                "punchh_notifications",
                "2025-01-01T00:00:00Z",
                action="create",
                x_y_z=1,
                user_external_source_id="cust-1002",
            )
        ),
    ),
)

PASSKIT_INSTALLED = Sample(
    "passkit installation, enums as numbers, time as object",
    Vendor.PASSKIT,
    """
    {"event": "PASS_EVENT_INSTALLED",
     "pass": {"id": "5u5EO18473CDVG0Vw0VgPV", "classId": "24hmYozRggBJTtPt0Y2e3X", "protocol": 100,
       "externalId": "cust-1001",
       "personDetails": {"displayName": "Member 1001", "emailAddress": "member-1001@example.com",
         "externalId": "cust-1001"},
       "metadata": {"status": 1, "lifecycleEvents": [1, 2], "altId": "5u5EO18473CDVG0Vw0VgPV",
         "installIpAddress": "203.0.113.7", "lastInstalledAt": {"seconds": 1735689600, "nanos": 0}},
       "recordData": {"universal.status": "PASS_INSTALLED",
         "members.member.externalId": "cust-1001", "members.member.points": "100.000000",
         "members.tier.name": "Silver"}}}
    """,
    (
        Outcome(
            event(
                "cust-1001",
                "passkit_pass_installed",
                "2025-01-01T00:00:00Z",
                pass_id="5u5EO18473CDVG0Vw0VgPV",
                class_id="24hmYozRggBJTtPt0Y2e3X",
                protocol="MEMBERSHIP",
                status="PASS_INSTALLED",
                universal_status="PASS_INSTALLED",
                members_member_external_id="cust-1001",
                members_member_points=100,
                members_tier_name="Silver",
                last_installed_at="2025-01-01T00:00:00Z",
                lifecycle_events=[1, 2],
            ),
            customer("cust-1001", passkit_points=100, passkit_tier="Silver"),
        ),
    ),
)


def passkit(number: int | str, key: str, at: Any, external: str = "cust-1003") -> str:
    time = "" if at is None else f'"{key}": {at}'
    return f"""
    {{"event": {number if isinstance(number, int) else f'"{number}"'},
      "pass": {{"id": "p-1", "protocol": "PASS_PROTOCOL_SINGLE_USE_COUPON",
        "metaData": {{{time}}},
        "recordData": {{"singleUseCoupons.coupon.externalId": "{external}"}}}}}}
    """


def passkit_outcome(name: str, at: str, /, **attributes: Any) -> Outcome:
    return Outcome(
        event(
            "cust-1003",
            name,
            at,
            pass_id="p-1",
            protocol="SINGLE_USE_COUPON",
            single_use_coupons_coupon_external_id="cust-1003",
            **attributes,
        )
    )


PASSKIT_OTHERS = (
    Sample(
        "passkit creation, event as number, time as text",
        Vendor.PASSKIT,
        passkit(1, "issueAt", '"2025-01-01T01:00:00+01:00"'),
        (
            passkit_outcome(
                "passkit_pass_created", "2025-01-01T00:00:00Z", issue_at="2025-01-01T00:00:00Z"
            ),
        ),
    ),
    Sample(
        "passkit update",
        Vendor.PASSKIT,
        passkit(4, "lastUpdatedAt", '{"seconds": "1735689601", "nanos": 250000000}'),
        (
            passkit_outcome(
                "passkit_pass_updated",
                "2025-01-01T00:00:01.250Z",
                last_updated_at="2025-01-01T00:00:01.250Z",
            ),
        ),
    ),
    Sample(
        "passkit uninstallation",
        Vendor.PASSKIT,
        passkit("PASS_EVENT_UNINSTALLED", "lastUninstalledAt", '"2025-01-02T00:00:00Z"'),
        (
            passkit_outcome(
                "passkit_pass_uninstalled",
                "2025-01-02T00:00:00Z",
                last_uninstalled_at="2025-01-02T00:00:00Z",
            ),
        ),
    ),
    Sample(
        "passkit invalidation",
        Vendor.PASSKIT,
        passkit(16, "invalidatedAt", '"2025-01-03T00:00:00Z"'),
        (
            passkit_outcome(
                "passkit_pass_invalidated",
                "2025-01-03T00:00:00Z",
                invalidated_at="2025-01-03T00:00:00Z",
            ),
        ),
    ),
    Sample(
        "passkit deletion, which has no time of its own",
        Vendor.PASSKIT,
        passkit("PASS_EVENT_RECORD_DELETED", "", None),
        (passkit_outcome("passkit_pass_deleted", RECEIVED),),
    ),
)


def loyalty(kind: str, data: str, more: str = "") -> str:
    return f'{{"type": "{kind}", {more} "data": {data}}}'


LOYALTY = (
    *(
        Sample(
            f"open loyalty {kind}",
            Vendor.OPEN_LOYALTY,
            loyalty(kind, '{"customerId": "32c764d9-ddd5-401f-ac13-a7fcba0982ff"}'),
            (
                Outcome(
                    event(
                        "32c764d9-ddd5-401f-ac13-a7fcba0982ff",
                        name,
                        RECEIVED,
                        customer_id="32c764d9-ddd5-401f-ac13-a7fcba0982ff",
                    )
                ),
            ),
        )
        for kind, name in (
            ("customer.updated", "openloyalty_customer_updated"),
            ("customer.deleted", "openloyalty_customer_deleted"),
            ("customer.deactivated", "openloyalty_customer_deactivated"),
        )
    ),
    Sample(
        "open loyalty registration, with the person in a second data",
        Vendor.OPEN_LOYALTY,
        loyalty(
            "customer.registered",
            """{"customerId": "c-1001", "data": {"firstName": "Member", "lastName": "1001",
              "gender": "not_disclosed", "email": "member-1001@example.com", "phone": 123456789,
              "levelAchievementDate": "2019-08-09T14:08:28+02:00", "createdAt": 1563363348,
              "address": {"street": "Street", "postal": "41-222"}, "loyaltyCardNumber": "444555666",
              "labels": [{"key": "labels_key", "value": "5"}], "agreement1": true,
              "agreement2": false, "levelId": "e82c96cf-32a3-43bd-9034-4df343e50000"}}""",
        ),
        (
            Outcome(
                event(
                    "c-1001",
                    "openloyalty_customer_registered",
                    RECEIVED,
                    customer_id="c-1001",
                    first_name="Member",
                    last_name="1001",
                    gender="not_disclosed",
                    email="member-1001@example.com",
                    phone="123456789",
                    level_achievement_date="2019-08-09T12:08:28Z",
                    created_at="2019-07-17T11:35:48Z",
                    address_street="Street",
                    address_postal="41-222",
                    loyalty_card_number="444555666",
                    labels_count=1,
                    labels_key=["labels_key"],
                    labels_value=["5"],
                    agreement1=True,
                    agreement2=False,
                    level_id="e82c96cf-32a3-43bd-9034-4df343e50000",
                ),
                customer(
                    "c-1001",
                    u_fn="Member",
                    u_ln="1001",
                    u_em="member-1001@example.com",
                    u_mb="123456789",
                    u_gd="not_disclosed",
                ),
            ),
        ),
    ),
    Sample(
        "open loyalty level, changed by itself",
        Vendor.OPEN_LOYALTY,
        loyalty(
            "customer.level_changed_automatically",
            """{"customerId": "c-1001", "levelId": "l-1", "levelName": "level1", "levelMove": "up",
              "levelAchievementDate": "2019-08-09T14:08:28+02:00"}""",
        ),
        (
            Outcome(
                event(
                    "c-1001",
                    "openloyalty_customer_level_changed_automatically",
                    RECEIVED,
                    customer_id="c-1001",
                    level_id="l-1",
                    level_name="level1",
                    level_move="up",
                    level_achievement_date="2019-08-09T12:08:28Z",
                ),
                customer("c-1001", openloyalty_level="level1"),
            ),
        ),
    ),
    Sample(
        "open loyalty level",
        Vendor.OPEN_LOYALTY,
        loyalty(
            "customer.level_changed",
            '{"customerId": "c-1001", "levelId": "l-0", "levelName": "level0"}',
        ),
        (
            Outcome(
                event(
                    "c-1001",
                    "openloyalty_customer_level_changed",
                    RECEIVED,
                    customer_id="c-1001",
                    level_id="l-0",
                    level_name="level0",
                ),
                customer("c-1001", openloyalty_level="level0"),
            ),
        ),
    ),
    Sample(
        "open loyalty purchase, not yet anybody's",
        Vendor.OPEN_LOYALTY,
        loyalty(
            "transaction.registered",
            """{"transactionId": "t-1", "transactionData": {"documentType": "sell",
              "purchasePlace": null, "purchaseDate": "2019-08-09T14:08:28+02:00"},
              "customerData": {"email": "member-1001@example.com"},
              "items": [{"sku": {"code": "sku1230"}, "name": "coat", "quantity": 1,
                "grossValue": 80, "labels": []}], "posId": null}""",
        ),
        (Outcome(None, held="waits for transaction/t-1"),),
    ),
    Sample(
        "open loyalty purchase, assigned",
        Vendor.OPEN_LOYALTY,
        loyalty(
            "transaction.assigned_to_customer",
            '{"transactionId": "t-1", "customerId": "c-1001", "grossValue": 80}',
        ),
        (
            Outcome(
                event(
                    "c-1001",
                    "openloyalty_transaction_assigned_to_customer",
                    RECEIVED,
                    transaction_id="t-1",
                    customer_id="c-1001",
                    gross_value=80,
                )
            ),
        ),
    ),
    *(
        Sample(
            f"open loyalty points changed, {casing}",
            Vendor.OPEN_LOYALTY,
            loyalty("account.available_points_amount_changed", data),
            (
                Outcome(
                    event(
                        "c-1001",
                        "openloyalty_account_available_points_amount_changed",
                        RECEIVED,
                        customer_id="c-1001",
                        amount=125,
                        amount_change=25,
                        amount_change_type="add",
                        points_transfer_id="pt-1",
                        expires_at="2022-01-30T22:59:59Z",
                    ),
                    customer("c-1001", openloyalty_points=125),
                ),
            ),
        )
        for casing, data in (
            (
                "newer casing",
                """{"customerId": "c-1001", "amount": 125, "amountChange": 25,
                  "amountChangeType": "add", "pointsTransferId": "pt-1",
                  "expiresAt": "2022-01-30T23:59:59+01:00"}""",
            ),
            (
                "older casing",
                """{"customer_id": "c-1001", "amount": 125, "amount_change": 25,
                  "amount_change_type": "add", "points_transfer_id": "pt-1",
                  "expires_at": "2022-01-30T23:59:59+01:00"}""",
            ),
        )
    ),
    Sample(
        "open loyalty reward bought, its coupon hidden",
        Vendor.OPEN_LOYALTY,
        loyalty(
            "customer.bought_campaign",
            """{"storeCode": "DEFAULT", "customerId": "c-1001", "campaignId": "k-1",
              "costInPoints": 1.0, "couponCode": "655"}""",
            '"createdAt": "2020-09-24T14:09:13+02:00",',
        ),
        (
            Outcome(
                event(
                    "c-1001",
                    "openloyalty_customer_bought_campaign",
                    "2020-09-24T12:09:13Z",
                    store_code="DEFAULT",
                    customer_id="c-1001",
                    campaign_id="k-1",
                    cost_in_points=1.0,
                )
            ),
        ),
    ),
    Sample(
        "open loyalty expiring points, a list",
        Vendor.OPEN_LOYALTY,
        loyalty(
            "account.expiring_points_notification",
            """[{"customerId": "c-1", "customerEmail": "member-1@example.com", "points": 100.0,
                 "pointsWillExpire": "2025-01-31T22:59:59+01:00"},
                {"customerId": "c-2", "customerEmail": "member-2@example.com", "points": 40.0,
                 "pointsWillExpire": "2025-01-31T22:59:59+01:00"}]""",
            '"createdAt": "2025-01-01T00:00:00+00:00",',
        ),
        tuple(
            Outcome(
                event(
                    f"c-{number}",
                    "openloyalty_account_expiring_points_notification",
                    "2025-01-01T00:00:00Z",
                    customer_id=f"c-{number}",
                    customer_email=f"member-{number}@example.com",
                    points=points,
                    points_will_expire="2025-01-31T21:59:59Z",
                ),
                customer(f"c-{number}", openloyalty_points_expire_at="2025-01-31T21:59:59Z"),
            )
            for number, points in ((1, 100.0), (2, 40.0))
        ),
    ),
    Sample(
        "open loyalty transfer of points",
        Vendor.OPEN_LOYALTY,
        loyalty(
            "account.points_transfer",
            """{"storeCode": "DEFAULT", "accountId": "a-1", "customerId": "c-1001",
              "customerPhone": "1231232312312312360", "createdAt": "2022-12-08T13:05:44+01:00",
              "pointsTransferId": "pt-2", "expiresAt": "2023-01-07T23:59:59+01:00", "value": 100,
              "issuer": "admin", "type": "adding", "state": "active"}""",
        ),
        (
            Outcome(
                event(
                    "c-1001",
                    "openloyalty_account_points_transfer",
                    "2022-12-08T12:05:44Z",
                    store_code="DEFAULT",
                    account_id="a-1",
                    customer_id="c-1001",
                    customer_phone="1231232312312312360",
                    created_at="2022-12-08T12:05:44Z",
                    points_transfer_id="pt-2",
                    expires_at="2023-01-07T22:59:59Z",
                    value=100,
                    issuer="admin",
                    type="adding",
                    state="active",
                )
            ),
        ),
    ),
    Sample(
        "open loyalty 5.x, the newer name of a registration",
        Vendor.OPEN_LOYALTY,
        '{"eventName": "CustomerRegistered", "data": {"customerId": "c-1001"}}',
        (
            Outcome(
                event("c-1001", "openloyalty_customer_registered", RECEIVED, customer_id="c-1001")
            ),
        ),
    ),
    Sample(
        "open loyalty 5.x, a name the older ones don't have",
        Vendor.OPEN_LOYALTY,
        '{"eventName": "MemberAchievementProgressWasChanged", "data": {"memberId": "c-1001"}}',
        (
            Outcome(
                event(
                    "c-1001",
                    "openloyalty_member_achievement_progress_was_changed",
                    RECEIVED,
                    member_id="c-1001",
                )
            ),
        ),
    ),
)

PERX = Sample(
    "perx, an invented form",
    Vendor.PERX,
    """
    {"event_id": "evt-1", "event_type": "reward_redeemed", "occurred_at": "2025-01-01T00:00:00Z",
     "tenant": "acme", "user": {"identifier": "cust-1001"},
     "data": {"reward_id": 42, "campaign_id": 7}}
    """,
    (
        Outcome(
            event(
                "cust-1001",
                "perx_reward_redeemed",
                "2025-01-01T00:00:00Z",
                event_id="evt-1",
                tenant="acme",
                user_identifier="cust-1001",
                data_reward_id=42,
                data_campaign_id=7,
            )
        ),
    ),
)

SAMPLES = (
    PUNCHH_CHECKIN,
    PUNCHH_USER,
    PUNCHH_GIFT,
    PUNCHH_REDEMPTION,
    PUNCHH_REWARD,
    PUNCHH_REDEEMABLE,
    PUNCHH_MARKETING,
    PUNCHH_TRANSACTIONAL,
    PUNCHH_SIGNUP,
    PUNCHH_COUPON,
    PUNCHH_COUPON_REDEMPTION,
    PUNCHH_UNKNOWN,
    PASSKIT_INSTALLED,
    *PASSKIT_OTHERS,
    *LOYALTY,
    PERX,
)

"""Voyado Engage as the point follower of the books.

`Follower` is the way in: one object a tenant that pushes totals, asks how far they have come,
settles what is unclear, receives adjustments and writes the points log.
"""

from sync.engage.adjustments import NotReplayableError, Receipt
from sync.engage.batches import BatchRecord
from sync.engage.deliveries import DeliveryRecord, DeliveryState
from sync.engage.follower import Follower, SyncReport
from sync.engage.following import consumer_of
from sync.engage.points_log import may_read_points_log
from sync.engage.polling import PollReport
from sync.engage.progress import State
from sync.engage.push import PushReport
from sync.engage.settings import EngageOptions, EngageSecrets, EngageSettings, ScheduleOptions
from sync.engage.settlement import SettleReport
from sync.engage.status import FollowerStatus

__all__ = [
    "BatchRecord",
    "DeliveryRecord",
    "DeliveryState",
    "EngageOptions",
    "EngageSecrets",
    "EngageSettings",
    "Follower",
    "FollowerStatus",
    "NotReplayableError",
    "PollReport",
    "PushReport",
    "Receipt",
    "ScheduleOptions",
    "SettleReport",
    "State",
    "SyncReport",
    "consumer_of",
    "may_read_points_log",
]

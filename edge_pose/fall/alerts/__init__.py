"""Events on their way out: to a file, a broker, a webhook; kept until they have arrived.

`open_alerts(...)` is the one entry, `targets_of` reads its addresses before; `verify` is for who receives webhooks.
"""

from edge_pose.fall.alerts.alerts import Alerts
from edge_pose.fall.alerts.open import open_alerts, targets_of
from edge_pose.fall.alerts.watchdog import WatchConfig
from edge_pose.fall.alerts.webhook import verify

__all__ = ["Alerts", "WatchConfig", "open_alerts", "targets_of", "verify"]

"""`repsense-admin prepare`: what must be there before any service starts."""

import logging
import signal
import time
from threading import Event

from pymongo.errors import OperationFailure

from repsense.database import Documents, connect_database
from repsense.errors import RepSenseError
from repsense.logs import configure_logging
from repsense.patience import StoppedError, retry_while_away
from repsense.schema import ensure_schema
from repsense_admin.database_users import UsersUnknownError, ensure_users
from repsense_admin.model_seed import seed_models
from repsense_admin.refusal import loaded_settings, refusing
from repsense_admin.settings import Settings

__all__ = ["prepare"]

_LOGGER = logging.getLogger(__name__)

_REFUSALS_S = 60.0
"""A new MongoDB answers for a while before it knows its first user."""
_AUTHENTICATION_FAILED = 18


def prepare() -> None:
    """Wait for the database, create its users, bring it to this version's schema, and put the shipped models in place.

    Harmless to repeat. Settings come from the environment or from files in SECRETS_DIR: MONGODB_URL (of a user who may
    create others), PREPROCESSOR_MONGODB_PASSWORD, INFERENCE_MONGODB_PASSWORD, TRAINER_MONGODB_PASSWORD, MODELS_DIR,
    SHIPPED_MODELS_DIR, LOG_FORMAT.
    """
    settings = loaded_settings()
    configure_logging(logging.INFO, settings.log_format)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with refusing():
        try:
            _prepare(settings, stop)
        except StoppedError:
            msg = "stopped before everything was prepared; start it again"
            raise RepSenseError(msg) from None


def _prepare(settings: Settings, stop: Event) -> None:
    for name in seed_models(settings.shipped_models_dir, settings.models_dir):
        _LOGGER.info("the model %s was put into %s", name, settings.models_dir)
    database = connect_database(settings.mongodb_url.get_secret_value())
    with database.client:
        began_s = time.monotonic()
        retry_while_away(stop, "database", lambda: _ensure_users(database, settings, began_s))
        retry_while_away(stop, "database", lambda: ensure_schema(database))
    _LOGGER.info("everything is prepared")


def _ensure_users(database: Documents, settings: Settings, began_s: float) -> None:
    try:
        new = ensure_users(database, settings.passwords)
    except UsersUnknownError:
        _LOGGER.info("this database has no users: whoever reaches it may do everything")
    except OperationFailure as error:
        if error.code != _AUTHENTICATION_FAILED or time.monotonic() - began_s < _REFUSALS_S:
            raise
        msg = (
            "the database refuses the user of MONGODB_URL: it was made with another password. Put back the secrets "
            "that belong to it, or remove the database's volume to begin anew"
        )
        raise RepSenseError(msg) from error
    else:
        for service in new:
            _LOGGER.info("the database has a new user, %s", service)

"""Accounts, their rights, sessions, second factors and keys: the one door for web and commands."""

from kpi.breakglass import FIRST, SETUP
from kpi.factors import has_second, totp_begin, totp_confirm, totp_remove
from kpi.keys import Key, create_key, keys_of, principal_of_key, revoke_key
from kpi.links import account_of, new_link, set_password
from kpi.ownpassword import change_password, has_password
from kpi.passwords import WeakPassword
from kpi.people import create, disable, enable, has_admin, idle, last_admin, listed, set_role, tie
from kpi.rights import (
    ROLES,
    Account,
    NotDone,
    Right,
    grant,
    principal_of,
    revoke_right,
    rights_of,
)
from kpi.sessions import (
    Session,
    SignInRefused,
    end_all,
    open_sessions,
    session_of,
    sign_in,
    sign_in_subject,
    sign_out,
)

__all__ = [
    "FIRST",
    "ROLES",
    "SETUP",
    "Account",
    "Key",
    "NotDone",
    "Right",
    "Session",
    "SignInRefused",
    "WeakPassword",
    "account_of",
    "change_password",
    "create",
    "create_key",
    "disable",
    "enable",
    "end_all",
    "grant",
    "has_admin",
    "has_password",
    "has_second",
    "idle",
    "keys_of",
    "last_admin",
    "listed",
    "new_link",
    "open_sessions",
    "principal_of",
    "principal_of_key",
    "revoke_key",
    "revoke_right",
    "rights_of",
    "session_of",
    "set_password",
    "set_role",
    "sign_in",
    "sign_in_subject",
    "sign_out",
    "tie",
    "totp_begin",
    "totp_confirm",
    "totp_remove",
]

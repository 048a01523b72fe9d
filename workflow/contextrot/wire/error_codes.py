"""What the machine-readable codes of errors and the statuses of HTTP mean, for the providers and servers that say what theirs are.

Sources, each provider's error reference: OpenAI "Error codes"; Azure OpenAI content filtering; Anthropic "Errors"; `google.rpc.Code`; AWS Bedrock
Converse; Groq; Mistral; DeepSeek; Zhipu GLM "Error codes" (1113, 1261, 1301, 1302 ...); MiniMax "Error code" (`minimax_` and the number: Zhipu has
the same numbers for other errors); Moonshot; DashScope; TGI `ErrorType`; llama.cpp server `error_type`.
"""

from __future__ import annotations

from contextrot.wire import faults
from contextrot.wire.faults import Failure

_CODES: list[tuple[type[Failure], str]] = [
    (
        faults.OverWindow,
        """context_length_exceeded exceed_context_size_error context_window_exceeded model_context_window_exceeded string_above_max_length
        prompt_too_long input_too_long request_too_large max_context_length_exceeded context_length_error 1261""",
    ),
    (
        faults.ContentFilter,
        """content_filter content_policy_violation responsibleaipolicyviolation data_inspection_failed datainspectionfailed content_moderation
        moderation_error moderation_blocked prohibited_content safety content_blocked 1301 minimax_1026 minimax_1027""",
    ),
    (
        faults.NoCredit,
        """insufficient_quota insufficient_credits insufficient_balance insufficient_funds billing_hard_limit_reached billing_not_active billing_error
        payment_required exceeded_current_quota_error arrearage credit_exhausted 1113 minimax_1008""",
    ),
    (
        faults.RateLimited,
        """rate_limit_exceeded rate_limit_error rate_limited rate_limit_reached_error resource_exhausted too_many_requests toomanyrequestsexception
        throttlingexception throttling throttling.ratequota throttling.allocationquota limit_burst_rate limit_requests servicequotaexceededexception
        ratelimitreached 1302 1303 1304 1305 minimax_1002 minimax_1039 minimax_1041 minimax_2045 minimax_2056""",
    ),
    (
        faults.Denied,
        """invalid_api_key authentication_error invalid_authentication_error unauthenticated unauthorized api_key_invalid permission_error
        permission_denied accessdeniedexception access_denied unrecognizedclientexception expiredtokenexception invalidsignatureexception
        account_deactivated model_not_found not_found_error not_found deploymentnotfound resourcenotfoundexception unknown_model invalid_model
        model_decommissioned model_not_exist service_disabled 1000 1001 1002 1003 1004 1110 1111 1112 1211
        minimax_1004 minimax_2049""",
    ),
    (faults.TimedOut, "timeout_error request_timeout deadline_exceeded modeltimeoutexception minimax_1001"),
    (faults.BadRequest, "minimax_2013"),
    (faults.ServerFault, "modelnotreadyexception minimax_1000 minimax_1013 minimax_1024 minimax_1033"),
]
OF_CODE = {code: kind for kind, codes in _CODES for code in codes.split()}
ORDER = [kind for kind, _ in _CODES]
OF_STATUS: dict[int, type[Failure]] = {
    401: faults.Denied,
    402: faults.NoCredit,
    403: faults.Denied,
    404: faults.Denied,
    405: faults.Denied,
    408: faults.TimedOut,
    409: faults.ServerFault,
    410: faults.Denied,
    413: faults.OverWindow,
    420: faults.RateLimited,
    423: faults.ServerFault,
    424: faults.ServerFault,  # TGI: the generation failed
    425: faults.ServerFault,
    429: faults.RateLimited,
    498: faults.RateLimited,  # Groq: capacity of the flex tier
    499: faults.ServerFault,
    504: faults.TimedOut,
    524: faults.TimedOut,  # Cloudflare: the origin took too long
}

"""What servers and providers answer when they do not answer: status, body, and the failure that it is; each with its source."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Refusal(NamedTuple):
    """One error: whose, its status and body (an object is sent as JSON), the failure's kind, how long to wait, headers."""

    family: str
    status: int
    body: Any
    kind: str
    wait: float | None = None
    headers: dict[str, str] = {}

    @property
    def content(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


def _openai(message: str, kind: str | None = None, code: Any = None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _anthropic(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def _google(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


HOSTED = [
    # OpenAI, platform.openai.com/docs/guides/error-codes
    Refusal("openai", 401, _openai("Incorrect API key provided: sk-x.", "invalid_request_error", "invalid_api_key"), "denied"),
    Refusal("openai", 429, _openai("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota", "insufficient_quota"), "no_credit"),
    Refusal("openai", 429, _openai("Rate limit reached for gpt-4.1 in organization org-x on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms. Visit https://platform.openai.com/account/billing.", "requests", "rate_limit_exceeded"), "rate_limited", 0.12),
    # community.openai.com: one request above the limit of a minute is never let through
    Refusal("openai", 429, _openai("Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 44000. The input or output tokens must be reduced in order to run successfully.", "tokens", "rate_limit_exceeded"), "over_window"),
    Refusal("openai", 400, _openai("This model's maximum context length is 128000 tokens. However, your messages resulted in 204308 tokens.", "invalid_request_error", "context_length_exceeded", "messages"), "over_window"),
    Refusal("openai", 400, _openai("max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided 100000.", "invalid_request_error", None, "max_tokens"), "bad_request"),
    Refusal("openai", 400, _openai("Unsupported value: 'temperature' does not support 0 with this model.", "invalid_request_error", "unsupported_value", "temperature"), "bad_request"),
    Refusal("openai", 404, _openai("The model `gpt-9` does not exist or you do not have access to it.", "invalid_request_error", "model_not_found"), "denied"),
    Refusal("openai", 500, _openai("The server had an error while processing your request.", "server_error"), "server"),
    Refusal("openai", 503, _openai("The engine is currently overloaded, please try again later", "server_error"), "server", 20.0, {"Retry-After": "20"}),
    # Azure, learn.microsoft.com/azure/ai-services/openai/concepts/content-filter
    Refusal("azure", 400, {"error": {"message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", "type": None, "param": "prompt", "code": "content_filter", "status": 400, "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True, "severity": "high"}}}}}, "content_filter"),
    Refusal("azure", 404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}}, "denied"),
    Refusal("azure", 429, {"error": {"code": "429", "message": "Requests to the ChatCompletions_Create Operation have exceeded token rate limit of your current pricing tier. Please retry after 7 seconds."}}, "rate_limited", 7.0, {"retry-after-ms": "7000"}),
    Refusal("azure", 401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key or wrong API endpoint."}}, "denied"),
    # Anthropic, docs.anthropic.com/en/api/errors
    Refusal("anthropic", 400, _anthropic("invalid_request_error", "prompt is too long: 201130 tokens > 200000 maximum"), "over_window"),
    Refusal("anthropic", 400, _anthropic("invalid_request_error", "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again"), "over_window"),
    Refusal("anthropic", 400, _anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."), "no_credit"),
    Refusal("anthropic", 400, _anthropic("invalid_request_error", "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-x"), "bad_request"),
    Refusal("anthropic", 400, _anthropic("invalid_request_error", "`temperature` may only be set to 1 when thinking is enabled."), "bad_request"),
    Refusal("anthropic", 400, _anthropic("invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2025-02-01 at 00:00 UTC."), "no_credit"),
    Refusal("anthropic", 400, _anthropic("invalid_request_error", "This organization has been disabled."), "denied"),
    Refusal("anthropic", 401, _anthropic("authentication_error", "invalid x-api-key"), "denied"),
    Refusal("anthropic", 403, _anthropic("permission_error", "Your API key does not have permission to use the specified resource."), "denied"),
    Refusal("anthropic", 404, _anthropic("not_found_error", "model: claude-99"), "denied"),
    Refusal("anthropic", 413, _anthropic("request_too_large", "Request exceeds the maximum size"), "over_window"),
    Refusal("anthropic", 429, _anthropic("rate_limit_error", "This request would exceed the rate limit for your organization of 1,000,000 input tokens per minute. Please reduce the prompt length or the maximum tokens requested, or try again later."), "rate_limited", 3.0, {"retry-after": "3"}),
    Refusal("anthropic", 500, _anthropic("api_error", "Internal server error"), "server"),
    Refusal("anthropic", 529, _anthropic("overloaded_error", "Overloaded"), "server"),
    # Google, ai.google.dev/gemini-api/docs/troubleshooting; github.com/google-gemini/gemini-cli issues on RESOURCE_EXHAUSTED
    Refusal("gemini", 429, _google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details.", {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}), "rate_limited", 34.0),
    Refusal("gemini", 429, _google(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later."), "rate_limited"),
    Refusal("gemini", 400, _google(400, "INVALID_ARGUMENT", "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."), "over_window"),
    Refusal("gemini", 400, _google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}), "denied"),
    Refusal("gemini", 400, _google(400, "INVALID_ARGUMENT", "Invalid value at 'generation_config.temperature'"), "bad_request"),
    Refusal("gemini", 404, _google(404, "NOT_FOUND", "models/gemini-0 is not found for API version v1beta"), "denied"),
    Refusal("gemini", 503, _google(503, "UNAVAILABLE", "The model is overloaded. Please try again later."), "server"),
    Refusal("gemini", 504, _google(504, "DEADLINE_EXCEEDED", "The request timed out."), "timeout"),
    # Groq, console.groq.com/docs/errors and /rate-limits; github.com/elizaOS/eliza/issues/4040, continuedev/continue/issues/10218 and /10920
    Refusal("groq", 429, _openai("Rate limit reached for model `llama-3.1-8b-instant` on tokens per minute (TPM): Limit 6000, Used 5034, Requested 1443. Please try again in 4.77s. Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing", "tokens", "rate_limit_exceeded"), "rate_limited", 1.0, {"retry-after": "1"}),
    Refusal("groq", 429, _openai("Rate limit reached for model `x` on tokens per day (TPD): Limit 100000, Used 97050, Requested 3619. Please try again in 9m38.016s.", "tokens", "rate_limit_exceeded"), "rate_limited", 578.016),
    Refusal("groq", 413, _openai("Request too large for model `x` service tier `on_demand` on tokens per minute (TPM): Limit 6000, Requested 14368, please reduce your message size and try again.", "tokens", "rate_limit_exceeded"), "over_window"),
    Refusal("groq", 498, _openai("Flex tier capacity exceeded", "capacity_exceeded"), "rate_limited"),
    Refusal("groq", 400, _openai("The model `x` has been decommissioned and is no longer supported.", "invalid_request_error", "model_decommissioned"), "denied"),
    # Mistral, docs.mistral.ai/api (errors); github.com/openclaw/openclaw/pull/53177
    Refusal("mistral", 422, {"detail": [{"type": "less_than", "loc": ["body", "max_tokens"], "msg": "Input should be less than 262144"}]}, "bad_request"),
    Refusal("mistral", 400, {"object": "error", "message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", "type": "invalid_request_prompt", "param": None, "code": "3051"}, "over_window"),
    Refusal("mistral", 429, {"object": "error", "message": "Service tier capacity exceeded for this model.", "type": "service_tier_capacity_exceeded", "param": None, "code": "3505"}, "rate_limited"),
    Refusal("mistral", 400, {"object": "error", "message": "Invalid model: mistral-x", "type": "invalid_model", "param": None, "code": "1500"}, "denied"),
    Refusal("mistral", 401, {"message": "Unauthorized", "request_id": "1"}, "denied"),
    # Zhipu GLM, docs.z.ai/api-reference/api-code; github.com/langgenius/dify/issues/5850, anthropics/claude-code/issues/9201
    Refusal("zai", 429, {"error": {"code": "1113", "message": "Insufficient balance or no resource package. Please recharge."}}, "no_credit"),
    Refusal("zai", 429, {"error": {"code": "1302", "message": "High concurrency usage of this API, please reduce concurrency."}}, "rate_limited"),
    Refusal("zai", 400, {"error": {"code": "1261", "message": "Prompt exceeds max length"}}, "over_window"),
    Refusal("zai", 400, {"error": {"code": "1301", "message": "System detected potentially unsafe or sensitive content in input or generation."}}, "content_filter"),
    Refusal("zai", 400, {"error": {"code": "1211", "message": "Unknown Model, please check the model code."}}, "denied"),
    # OpenRouter, openrouter.ai/docs/api-reference/errors; github.com/Alishahryar1/free-claude-code/issues/772, refly-ai/refly/issues/1177
    Refusal("openrouter", 402, {"error": {"message": "Insufficient credits. Add more using https://openrouter.ai/settings/credits", "code": 402}}, "no_credit"),
    Refusal("openrouter", 502, {"error": {"message": "Provider returned error", "code": 502, "metadata": {"raw": "upstream broke", "provider_name": "Together"}}}, "server"),
    Refusal("openrouter", 400, {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": '{"error":{"message":"prompt is too long: 210000 tokens > 200000 maximum"}}', "provider_name": "Anthropic"}}}, "over_window"),
    Refusal("openrouter", 400, {"error": {"message": "This endpoint's maximum context length is 32768 tokens. However, you requested about 42832 tokens (42832 of text input).", "code": 400}}, "over_window"),
    Refusal("openrouter", 403, {"error": {"message": "x requires moderation on y. Your input was flagged for \"violence\".", "code": 403, "metadata": {"reasons": ["violence"], "flagged_input": "..."}}}, "content_filter"),
    Refusal("openrouter", 400, {"error": {"message": "openai/gpt-99 is not a valid model ID", "code": 400}}, "denied"),
    Refusal("openrouter", 404, {"error": {"message": "No endpoints found matching your data policy", "code": 404}}, "denied"),
    # DeepSeek, api-docs.deepseek.com/quick_start/error_codes
    Refusal("deepseek", 402, _openai("Insufficient Balance", "unknown_error", "invalid_request_error"), "no_credit"),
    Refusal("deepseek", 400, _openai("This model's maximum context length is 65536 tokens. However, you requested 70000 tokens (66000 in the messages, 4000 in the completion).", "invalid_request_error"), "over_window"),
    Refusal("deepseek", 400, _openai("Model Not Exist", "invalid_request_error"), "denied"),
    Refusal("deepseek", 400, _openai("Content Exists Risk", "invalid_request_error", "invalid_request_error"), "content_filter"),
    Refusal("deepseek", 503, _openai("Server overloaded", "server_error"), "server"),
    # Cohere, docs.cohere.com/reference/errors
    Refusal("cohere_chat", 400, {"message": "too many tokens: size limit exceeded by 1200 tokens. Try using shorter or fewer inputs. The limit for this model is 128000 tokens."}, "over_window"),
    Refusal("cohere_chat", 429, {"message": "trial token rate limit exceeded, limit is 100000 tokens per minute"}, "rate_limited"),
    Refusal("cohere_chat", 401, {"message": "invalid api token"}, "denied"),
    # xAI, docs.x.ai/docs/debugging
    Refusal("xai", 403, {"code": "The caller does not have permission to execute the specified operation", "error": "Your newly created teams doesn't have any credits yet."}, "no_credit"),
    Refusal("xai", 400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***. You can obtain an API key from https://console.x.ai."}, "denied"),
    Refusal("xai", 400, {"code": "Client specified an invalid argument", "error": "This model's maximum prompt length is 131072 but the request contains 200000 tokens."}, "over_window"),
    # Moonshot, platform.moonshot.ai/docs/api/chat (errors)
    Refusal("moonshot", 429, _openai("Your account is suspended, please check your plan and billing details", "exceeded_current_quota_error"), "no_credit"),
    Refusal("moonshot", 429, _openai("Your account request reached max concurrency: 1, please try again after 1 seconds", "rate_limit_reached_error"), "rate_limited", 1.0),
    Refusal("moonshot", 400, _openai("Invalid request: Your request exceeded model token limit: 131072", "invalid_request_error"), "over_window"),
    Refusal("moonshot", 400, _openai("The request was rejected because it was considered high risk", "content_filter"), "content_filter"),
    # Alibaba DashScope, help.aliyun.com/zh/model-studio/error-code
    Refusal("dashscope", 400, _openai("Input data may contain inappropriate content.", "data_inspection_failed", "data_inspection_failed"), "content_filter"),
    Refusal("dashscope", 400, _openai("Access denied, please make sure your account is in good standing.", "Arrearage", "Arrearage"), "no_credit"),
    Refusal("dashscope", 400, _openai("Range of input length should be [1, 129024]", "invalid_request_error", "invalid_parameter_error"), "over_window"),
    Refusal("dashscope", 429, _openai("Requests rate limit exceeded, please try again later.", "limit_requests", "limit_requests"), "rate_limited"),
    # Together and Fireworks by their error references
    Refusal("together_ai", 422, _openai("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens and 100 `max_new_tokens`", "invalid_request_error"), "over_window"),
    Refusal("fireworks_ai", 400, _openai("The prompt is too long: 140000, model maximum context length: 131071", "invalid_request_error"), "over_window"),
    Refusal("fireworks_ai", 412, _openai("Account x is suspended, possibly due to reaching the monthly spending limit or failure to pay past invoices", "invalid_request_error"), "no_credit"),
    # What a provider refuses one prompt for, by a status that elsewhere refuses the key: Together "Error codes", xAI's usage guidelines, StepFun
    Refusal("together_ai", 403, _openai("input token count + max_tokens parameter must be less than the context length of the model being queried. Set max_tokens to a lower number."), "over_window"),
    Refusal("xai", 403, {"code": "The caller does not have permission to execute the specified operation", "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}, "content_filter"),
    Refusal("dashscope", 429, _openai("You exceeded your current quota. Read the docs: https://help.aliyun.com/zh/dashscope/developer-reference/tokens-limit.", "insufficient_quota", "insufficient_quota"), "rate_limited"),
    Refusal("dashscope", 403, _openai("The free tier of the model has been exhausted.", "AllocationQuota.FreeTierOnly", "AllocationQuota.FreeTierOnly"), "no_credit"),
    Refusal("openai", 400, _openai("Invalid prompt: we've limited access to this content for safety reasons.", "invalid_request_error", "invalid_prompt"), "content_filter"),
    Refusal("gemini", 400, _google(400, "INVALID_ARGUMENT", "Unable to submit request because the input token count is 1100000 but model only supports up to 1048576."), "over_window"),
]  # fmt: skip

LOCAL = [
    # Text Generation Inference, router/src/validation.rs and infer.rs; github.com/huggingface/chat-ui/issues/340, huggingface/llm-vscode/issues/94
    Refusal("tgi", 422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 3474 `inputs` tokens and 60 `max_new_tokens`", "error_type": "validation"}, "over_window"),
    Refusal("tgi", 422, {"error": "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000", "error_type": "validation"}, "over_window"),
    Refusal("tgi", 422, {"error": "Input validation error: `temperature` must be strictly positive", "error_type": "validation"}, "bad_request"),
    Refusal("tgi", 422, {"error": "Input validation error: `max_new_tokens` must be <= 192", "error_type": "validation"}, "bad_request"),
    Refusal("tgi", 429, {"error": "Model is overloaded", "error_type": "overloaded"}, "rate_limited"),
    Refusal("tgi", 424, {"error": "Request failed during generation: CUDA error", "error_type": "generation"}, "server"),
    # llama.cpp, github.com/ggml-org/llama.cpp/pull/15780 and tools/server/server.cpp format_error_response
    Refusal("llama_cpp", 400, {"error": {"code": 400, "message": "the request exceeds the available context size. try increasing the context size or enable context shift", "type": "exceed_context_size_error", "n_prompt_tokens": 14429, "n_ctx": 8192}}, "over_window"),
    Refusal("llama_cpp", 500, {"error": {"code": 500, "message": "the request exceeds the available context size", "type": "exceed_context_size_error", "n_prompt_tokens": 1407, "n_ctx": 256}}, "over_window"),
    Refusal("llama_cpp", 503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, "server", 20.0, {"Retry-After": "20"}),
    Refusal("llama_cpp", 401, {"error": {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}}, "denied"),
    Refusal("llama_cpp", 500, {"error": {"code": 500, "message": "Compute error.", "type": "server_error"}}, "server"),
    # llama-cpp-python, github.com/fedora-copr/logdetective-website/pull/193
    Refusal("llama_cpp_python", 400, {"error": {"message": "This model's maximum context length is 2048 tokens. However, you requested 2285 tokens", "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}}, "over_window"),
    Refusal("llama_cpp_python", 500, {"error": {"message": "Requested tokens (2285) exceed context window of 2048", "type": "internal_server_error", "param": None, "code": None}}, "over_window"),
    # LM Studio, github.com/lmstudio-ai/lmstudio-bug-tracker/issues/546 and /237
    Refusal("lm_studio", 400, {"error": "Trying to keep the first 15857 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough."}, "over_window"),
    Refusal("lm_studio", 404, {"error": {"message": "No models loaded. Please load a model in the developer page.", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}}, "denied"),
    # vLLM, vllm/entrypoints/openai/serving_engine.py create_error_response and _validate_input
    Refusal("vllm", 400, {"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested 5120 tokens (5000 in the messages, 120 in the completion).", "type": "BadRequestError", "param": None, "code": 400}, "over_window"),
    Refusal("vllm", 400, {"error": {"message": "'max_tokens' or 'max_completion_tokens' is too large: 1000. This model's maximum context length is 4096 tokens and your request has 3500 input tokens (1000 > 4096 - 3500).", "type": "BadRequestError", "param": "max_tokens", "code": 400}}, "over_window"),
    Refusal("vllm", 404, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "param": None, "code": 404}, "denied"),
    Refusal("vllm", 500, "Internal Server Error", "server"),
    # TensorRT-LLM, cpp/tensorrt_llm/executor; SiliconFlow, by its error reference
    Refusal("tensorrt_llm", 400, {"error": {"message": "The sum of prompt length (9000.0) and query length (0) should not exceed max_num_tokens (8192)"}}, "over_window"),
    Refusal("siliconflow", 400, {"code": 20015, "message": "length of prompt_tokens (40000) must be less than max_seq_len (32768)."}, "over_window"),
    Refusal("siliconflow", 403, {"code": 30011, "message": "The selected model requires paid balance. Your paid balance is insufficient. Please top up and try again.", "data": None}, "no_credit"),
    # SGLang, python/sglang/srt/managers/tokenizer_manager.py
    Refusal("sglang", 400, {"object": "error", "message": "The input (9000 tokens) is longer than the model's context length (8192 tokens).", "type": "BadRequest", "param": None, "code": 400}, "over_window"),
    # Ollama, server/routes.go
    Refusal("ollama", 404, {"error": {"message": "model \"x\" not found, try pulling it first", "type": "api_error", "param": None, "code": None}}, "denied"),
    Refusal("ollama", 503, {"error": {"message": "server busy, please try again.  maximum pending requests exceeded", "type": "api_error"}}, "server"),
    # Hugging Face Inference, while a model loads
    Refusal("huggingface", 503, {"error": "Model x is currently loading", "estimated_time": 20.0}, "server", 20.0),
    # AWS Bedrock Converse (errors in `message`, their kind in a header), docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    Refusal("bedrock", 429, {"message": "Too many tokens, please wait before trying again."}, "rate_limited", None, {"x-amzn-ErrorType": "ThrottlingException:http://x"}),
    Refusal("bedrock", 429, {"message": "Model is not ready for inference"}, "server", None, {"x-amzn-ErrorType": "ModelNotReadyException"}),
    Refusal("bedrock", 400, {"message": "Input is too long for requested model."}, "over_window", None, {"x-amzn-ErrorType": "ValidationException"}),
    Refusal("bedrock", 400, {"message": "The maximum tokens you requested exceeds the model limit of 4096. Try again with a maximum tokens value that is lower than 4096."}, "bad_request", None, {"x-amzn-ErrorType": "ValidationException"}),
    Refusal("bedrock", 403, {"message": "The security token included in the request is expired"}, "denied", None, {"x-amzn-ErrorType": "ExpiredTokenException"}),
    Refusal("bedrock", 400, {"message": "Malformed input request: expected maxLength: 42000, actual: 50000, please reformat your input and try again."}, "over_window", None, {"x-amzn-ErrorType": "ValidationException"}),
    Refusal("bedrock", 400, {"message": "The provided model identifier is invalid."}, "denied", None, {"x-amzn-ErrorType": "ValidationException"}),
    # Volcengine Ark "Error codes", Cloudflare Workers AI, watsonx.ai, TabbyAPI, LiteLLM's proxy, StepFun
    Refusal("ark", 400, {"error": {"code": "InvalidParameter", "message": "Total tokens of image and text exceed max message tokens.", "type": "BadRequest"}}, "over_window"),
    Refusal("ark", 400, {"error": {"code": "InputTextSensitiveContentDetected", "message": "The request failed", "type": "BadRequest"}}, "content_filter"),
    Refusal("stepfun", 451, {"error": {"message": "The request was rejected", "type": "censorship_blocked"}}, "content_filter"),
    Refusal("cloudflare", 429, {"errors": [{"message": "you have used up your daily free allocation of 10,000 neurons", "code": 4006}], "success": False}, "no_credit"),
    Refusal("cloudflare", 400, {"errors": [{"message": "No such model @cf/x or task", "code": 5007}], "success": False}, "denied"),
    Refusal("watsonx", 403, {"errors": [{"code": "token_quota_reached", "message": "the limit for this billing period has been reached"}]}, "no_credit"),
    Refusal("tabby", 400, {"detail": "No models are currently loaded."}, "denied"),
    Refusal("litellm_proxy", 400, {"error": {"message": "Budget has been exceeded! Current cost: 10.1, Max budget: 10.0", "type": "budget_exceeded"}}, "no_credit"),
    Refusal("hf_router", 400, {"error": {"message": "The requested model 'x' is not supported by any provider you have enabled.", "code": "model_not_supported"}}, "denied"),
    # YandexGPT, Baichuan, Groq "Error codes", Cortex (Jan)
    Refusal("yandex", 400, {"error": {"grpcCode": 3, "httpCode": 400, "message": "Number of input tokens must be no more than 7400, got 9000"}}, "over_window"),
    Refusal("baichuan", 400, {"error": {"code": "input_tokens_exceed_limit", "message": "refused"}}, "over_window"),
    Refusal("groq", 400, {"error": {"message": "Organization has been restricted.", "type": "invalid_request_error", "code": "organization_restricted"}}, "denied"),
    Refusal("jan", 400, {"message": "Model has not been loaded, please load model into nitro"}, "denied"),
    Refusal("gateway", 429, {"error": "x"}, "rate_limited", 20.0, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "20"}),
    # draft-ietf-httpapi-ratelimit-headers, of today and of before
    Refusal("gateway", 429, {"error": "slow"}, "rate_limited", 30.0, {"RateLimit": '"day";r=9;t=4000, "burst";r=0;t=30'}),
    Refusal("gateway", 429, {"error": "slow"}, "rate_limited", 50.0, {"RateLimit": "limit=100, remaining=0, reset=50"}),
    # Gateways in between: nginx, Cloudflare
    Refusal("gateway", 413, "<html><head><title>413 Request Entity Too Large</title></head></html>", "over_window"),
    Refusal("gateway", 502, "<html><head><title>502 Bad Gateway</title></head></html>", "server"),
    Refusal("gateway", 524, "error code: 524", "timeout"),
    Refusal("gateway", 307, "", "denied", None, {"Location": "https://elsewhere.example/v1/chat/completions"}),
    Refusal("gateway", 429, "", "rate_limited", 0.0, {"Retry-After": "Mon, 01 Jan 2024 00:00:00 GMT"}),
]  # fmt: skip

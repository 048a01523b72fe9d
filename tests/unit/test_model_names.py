import pytest

from contextrot.responses.model_names import same_model


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4.1", "gpt-4.1-2025-04-14"),
        ("gpt-4", "gpt-4-0613"),
        ("claude-sonnet-4", "claude-sonnet-4@20250514"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
        ("gemini-2.0-flash", "models/gemini-2.0-flash-001"),
        ("llama3.2", "llama3.2:latest"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5-7b-instruct"),
        ("qwen2.5-7b-instruct", "/models/qwen2.5-7b-instruct-q4_k_m.gguf"),
        ("SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct.Q4_1.gguf"),
        ("qwen2.5-7b-instruct", "Qwen2.5-7B-Instruct-IQ4_XS-00001-of-00003.gguf"),
        ("meta-llama/Llama-3-8B/", "C:\\models\\llama-3-8b.gguf"),
        ("deepseek/deepseek-r1:free", "deepseek/deepseek-r1"),
        ("Llama-3-8B-AWQ", "llama-3-8b"),
    ],
)
def test_versions_folders_and_files_are_the_same_model(asked, answered):
    assert same_model(asked, answered) and same_model(answered, asked)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4.1", "gpt-4.1-mini"),
        ("gpt-4.1", "gpt-4.1-mini-2025-04-14"),
        ("gpt-4", "gpt-4o"),
        ("gpt-4", "gpt-4.1"),
        ("gpt-5", "gpt-5-nano"),
        ("o3", "o3-mini"),
        ("gpt-4.1-2025-04-14", "gpt-4.1-2025-05-01"),
        ("llama3.2", "llama3.2:1b"),
        ("llama-3-8b", "llama-3-70b"),
        ("qwen2.5-7b-q4_k_m.gguf", "qwen2.5-7b-q8_0.gguf"),
        ("mistral", "mistral-large"),
    ],
)
def test_another_member_of_the_family_is_another_model(asked, answered):
    assert not same_model(asked, answered) and not same_model(answered, asked)

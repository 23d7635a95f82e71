# SPDX-License-Identifier: Apache-2.0
"""Writes chat.json: conversations as transformers' apply_chat_template renders them.

    python make_chat_golden.py chat.json

The templates are written here to the published formats' behaviour. Made with transformers 5.23.0 and Jinja2 3.1.6.
"""
import json
import sys

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

SYSTEM_FIRST = "{%- if messages[0].role == 'system' -%}{%- set before = messages[0].content -%}{%- set rest = messages[1:] -%}{%- else -%}{%- set rest = messages -%}{%- endif -%}"
LLAMA3_TURNS = "{%- for m in MESSAGES -%}{{ '<|start_header_id|>' ~ m.role ~ '<|end_header_id|>\n\n' ~ (m.content | trim) ~ '<|eot_id|>' }}{%- endfor -%}" \
               "{%- if add_generation_prompt -%}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif -%}"
TEMPLATES = {
    "chatml": "{%- for m in messages -%}{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' }}{%- endfor -%}"
              "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}",
    "llama3": "{{- bos_token -}}" + LLAMA3_TURNS.replace("MESSAGES", "messages"),
    "llama3_1": SYSTEM_FIRST + "{{- bos_token ~ '<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: ' ~ (date_string | default('26 Jul 2024')) ~ '\n\n'"
                " ~ (before | default('') | trim) ~ '<|eot_id|>' -}}" + LLAMA3_TURNS.replace("MESSAGES", "rest"),
    "phi3": "{%- for m in messages -%}{{ ({'system': '<|system|>', 'user': '<|user|>', 'assistant': '<|assistant|>'}[m.role]) ~ '\n' ~ m.content ~ '<|end|>\n' }}{%- endfor -%}"
            "{%- if add_generation_prompt -%}{{ '<|assistant|>\n' }}{%- endif -%}",
    "llama2": SYSTEM_FIRST + "{%- for m in rest -%}{%- if m.role == 'user' -%}"
              "{%- set asked = ('<<SYS>>\n' ~ before ~ '\n<</SYS>>\n\n' ~ m.content) if loop.first and before is defined else m.content -%}"
              "{{ bos_token ~ '[INST] ' ~ (asked | trim) ~ ' [/INST]' }}{%- else -%}{{ ' ' ~ (m.content | trim) ~ ' ' ~ eos_token }}{%- endif -%}{%- endfor -%}",
    "mistral": SYSTEM_FIRST + "{{- bos_token -}}{%- for m in rest -%}{%- if m.role == 'user' -%}"
               "{{ ' [INST] ' ~ ((before ~ '\n\n') if loop.first and before is defined else '') ~ m.content ~ ' [/INST]' }}"
               "{%- else -%}{{ ' ' ~ m.content ~ eos_token }}{%- endif -%}{%- endfor -%}",
}
CONVERSATIONS = [
    [("user", "How many?")],
    [("system", "Be short.\nUse numbers."), ("user", "How many?")],
    [("user", "One"), ("assistant", "1\n"), ("user", "Two ")],
    [("system", "S"), ("user", " One"), ("assistant", "<code>\nx = 1\n<end_of_step>"), ("user", "Two"), ("assistant", "2")],
    [("system", "Schön"), ("user", "A\n\nB"), ("assistant", "C"), ("user", "D"), ("assistant", "E"), ("user", "F?")],
]


def main(out):
    result = []
    for name, template in TEMPLATES.items():
        begin, end = ("<|begin_of_text|>", "<|end_of_text|>") if name.startswith("llama3") else ("<s>", "</s>")
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token=begin, eos_token=end)
        for conversation in CONVERSATIONS:
            messages = [{"role": role, "content": content} for role, content in conversation]
            asked = conversation[-1][0] == "user"
            text = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=asked)
            result.append({"format": name, "template": template, "turns": conversation, "text": text})
    with open(out, "w", encoding="utf-8", newline="\n") as file:
        file.write("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in result) + "\n]\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

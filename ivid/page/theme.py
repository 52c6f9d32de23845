"""How the page looks, as far as Gradio's theme reaches; the rest is `web/page.css`."""

from __future__ import annotations

from gradio.themes import Base
from gradio.themes.utils import colors, sizes

FONT = ("Figtree Variable", "ui-sans-serif", "system-ui", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "monospace")

INK = colors.Color(
    name="ink",
    c50="#f7f6f3",
    c100="#efede8",
    c200="#e2dfd8",
    c300="#cbc7be",
    c400="#9f9b93",
    c500="#67645d",
    c600="#56544f",
    c700="#3b3a37",
    c800="#262624",
    c900="#1a1a19",
    c950="#111110",
)
CLAY = colors.Color(
    name="clay",
    c50="#fdf3ee",
    c100="#fbe3d8",
    c200="#f6c5b0",
    c300="#f0a07f",
    c400="#ea7b51",
    c500="#dd5a2b",
    c600="#c4481c",
    c700="#a23917",
    c800="#812f17",
    c900="#682915",
    c950="#381208",
)


def theme() -> Base:
    """Warm greys, one accent; the same rooms in light and dark."""
    return Base(
        primary_hue=CLAY,
        secondary_hue=CLAY,
        neutral_hue=INK,
        spacing_size=sizes.spacing_sm,
        radius_size=sizes.radius_md,
        text_size=sizes.text_md,
        font=FONT,
        font_mono=MONO,
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_100",
        background_fill_secondary_dark="*neutral_800",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_label_text_size="*text_sm",
        block_title_text_weight="500",
        block_title_text_size="*text_sm",
        block_padding="0px",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_800",
        input_background_fill="#ffffff",
        input_background_fill_dark="*neutral_900",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_width="1px",
        input_shadow="none",
        button_large_radius="*radius_md",
        button_large_padding="8px 14px",
        button_large_text_weight="600",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_700",
        button_primary_text_color="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="*neutral_900",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_border_width="1px",
        slider_color="*primary_600",
        slider_color_dark="*primary_500",
    )

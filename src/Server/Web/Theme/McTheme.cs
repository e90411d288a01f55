using MudBlazor;

namespace McpCan.Server.Web.Theme;

/// <summary>MudBlazor's share of the look; the colours themselves are CSS variables (tokens.css, mud.css) so that both themes switch without a round trip.</summary>
public static class McTheme
{
    public static readonly MudTheme Theme = new()
    {
        PaletteLight = new PaletteLight { Primary = "#5147d9", Background = "#f7f8fa", Surface = "#ffffff", TextPrimary = "#131722", TextSecondary = "#5b6474", Divider = "#dfe3ea", Success = "#0c6b4b", Warning = "#8a4d03", Error = "#b42318", Info = "#1459ad" },
        PaletteDark = new PaletteDark { Primary = "#9a92ff", Background = "#0d1017", Surface = "#141821", TextPrimary = "#e7eaf0", TextSecondary = "#a0a9b8", Divider = "#2a3140", Success = "#4ccb96", Warning = "#f0b454", Error = "#ff8077", Info = "#6fb1ff" },
        Typography = new Typography { Default = new DefaultTypography { FontFamily = ["Inter", "system-ui", "sans-serif"], FontSize = "14px", LineHeight = "1.45", LetterSpacing = "normal" } },
        LayoutProperties = new LayoutProperties { DefaultBorderRadius = "10px" },
    };
}

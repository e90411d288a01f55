using System.Globalization;
using McpCan.Server.Web.Resources;
using Microsoft.Extensions.Localization;

namespace McpCan.Server.Web.Parts;

/// <summary>Times, spans and sizes as people say them, in the language of the page.</summary>
public sealed class Words(IStringLocalizer<ShellTexts> texts, TimeProvider time, Browser browser)
{
    /// <summary>"3 h ago", "in 2 d".</summary>
    public string Ago(DateTimeOffset? moment)
    {
        if (moment is not { } then) return texts["never"];
        var span = time.GetUtcNow() - then;
        var (size, past) = (span.Duration(), span >= TimeSpan.Zero);
        if (size < TimeSpan.FromMinutes(1) && past) return texts["ago-now"];
        if (size < TimeSpan.FromHours(1)) return texts[past ? "ago-minutes" : "in-minutes", Math.Max(1, (int)size.TotalMinutes)];
        if (size < TimeSpan.FromDays(1)) return texts[past ? "ago-hours" : "in-hours", (int)size.TotalHours];
        return texts[past ? "ago-days" : "in-days", (int)size.TotalDays];
    }

    /// <summary>"2 d 4 h" since a moment.</summary>
    public string Since(DateTimeOffset moment)
    {
        var span = time.GetUtcNow() - moment;
        if (span < TimeSpan.Zero) span = TimeSpan.Zero;
        if (span.TotalMinutes < 1) return texts["span-seconds", (int)span.TotalSeconds];
        if (span.TotalHours < 1) return texts["span-minutes", (int)span.TotalMinutes];
        return span.TotalDays < 1 ? texts["span-hours", (int)span.TotalHours, span.Minutes] : texts["span-days", (int)span.TotalDays, span.Hours];
    }

    /// <summary>A size in GiB, as a number.</summary>
    public static string Gigabytes(long bytes) => (bytes / (double)(1L << 30)).ToString("0.#", CultureInfo.CurrentCulture);

    /// <summary>Date and time on the person's clock.</summary>
    public string Moment(DateTimeOffset moment) => browser.Local(moment).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    /// <summary>Time of today, else the date.</summary>
    public string Short(DateTimeOffset moment)
    {
        var (then, now) = (browser.Local(moment), browser.Local(time.GetUtcNow()));
        return then.Date == now.Date ? then.ToString("HH:mm:ss", CultureInfo.InvariantCulture) : then.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
    }

    /// <summary>"1.4 MiB".</summary>
    public static string Size(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        var (value, unit) = ((double)bytes, 0);
        while (value >= 1024 && unit < units.Length - 1) (value, unit) = (value / 1024, unit + 1);
        return $"{value.ToString(unit == 0 || value >= 100 ? "N0" : "0.#", CultureInfo.CurrentCulture)} {units[unit]}";
    }

    /// <summary>"214 ms", "1.2 s".</summary>
    public static string Duration(double milliseconds) => milliseconds < 1000
        ? $"{milliseconds.ToString(milliseconds < 10 ? "0.#" : "N0", CultureInfo.CurrentCulture)} ms"
        : $"{(milliseconds / 1000).ToString("N1", CultureInfo.CurrentCulture)} s";
}

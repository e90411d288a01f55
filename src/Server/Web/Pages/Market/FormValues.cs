using System.Text.Json;
using McpCan.Server.Hosting;
using McpCan.Server.Market;

namespace McpCan.Server.Web.Pages.Market;

/// <summary>Between a form's texts and what templates take.</summary>
internal static class FormValues
{
    /// <summary>What the form shows at first.</summary>
    public static Dictionary<string, string> Defaults(IEnumerable<TemplateParameter> parameters) =>
        parameters.DistinctBy(p => p.Key).ToDictionary(p => p.Key, p => p.Default is not { } value ? "" : value.ValueKind switch
        {
            JsonValueKind.String => value.GetString() ?? "",
            JsonValueKind.Array => string.Join('\n', value.EnumerateArray().Select(v => v.ToString())),
            _ => value.GetRawText(),
        });

    /// <summary>What was entered; an empty text stands for no value, also where there is a default.</summary>
    public static Dictionary<string, JsonElement> Given(IReadOnlyDictionary<string, string> values) => values.ToDictionary(v => v.Key, v => JsonSerializer.SerializeToElement(v.Value));

    /// <summary>What is wrong, by field.</summary>
    public static Dictionary<string, string> Errors(ProblemException problem) =>
        problem.Errors is { Count: > 0 } errors ? errors.ToDictionary(e => e.Key, e => string.Join(" ", e.Value)) : new() { [""] = problem.Message };
}

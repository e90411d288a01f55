using McpCan.Server.Hosting;
using McpCan.Server.Web.Resources;
using Microsoft.Extensions.Localization;
using MudBlazor;

namespace McpCan.Server.Web.Parts;

/// <summary>Short messages at the edge: results go by themselves, failures stay until closed.</summary>
public sealed partial class Toasts(ISnackbar snackbar, IStringLocalizer<ShellTexts> texts, ILogger<Toasts> logger)
{
    public void Done(string text) => snackbar.Add(Text(text), Severity.Normal);

    public void Failed(string text) => snackbar.Add(Text(text), Severity.Error, o => o.RequireInteraction = true);

    /// <summary>Runs an action of a page; what goes wrong is said to the person, not thrown into the circuit.</summary>
    public async Task<bool> TryAsync(Func<Task> action)
    {
        try
        {
            await action();
            return true;
        }
        catch (ProblemException problem)
        {
            Failed(problem.Message);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogFailed(e);
            Failed(texts["problem-unexpected"]);
        }
        return false;
    }

    /// <summary>The text to show for an exception.</summary>
    public string Explain(Exception e)
    {
        if (e is ProblemException problem) return problem.Message;
        LogFailed(e);
        return texts["problem-unexpected"];
    }

    // As content, not as string: MudBlazor would take a string as HTML.
    private static Microsoft.AspNetCore.Components.RenderFragment Text(string text) => builder => builder.AddContent(0, text);

    [LoggerMessage(1, LogLevel.Error, "An action in the console failed")]
    private partial void LogFailed(Exception e);
}

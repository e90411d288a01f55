using MudBlazor;

namespace McpCan.Server.Web.Parts;

internal static class Ask
{
    /// <summary>Asks before something dangerous; with <paramref name="word"/>, the person must type it.</summary>
    public static async Task<bool> ConfirmAsync(this IDialogService dialogs, string title, string text, string action, string? word = null, string? prompt = null)
    {
        var dialog = await dialogs.ShowAsync<ConfirmDialog>(title, new DialogParameters<ConfirmDialog>
        {
            { d => d.Title, title }, { d => d.Text, text }, { d => d.Action, action }, { d => d.Word, word }, { d => d.Prompt, prompt },
        });
        return await dialog.Result is { Canceled: false };
    }
}

using System.Text.Json;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;

namespace McpCan.Server.Web.Parts;

/// <summary>Takes an archive to the API by XHR, with progress and cancel. Not through the circuit, which would carry it in small messages.</summary>
public sealed partial class UploadBox
{
    private static readonly Dictionary<string, string> Headers = new() { ["X-MCPCAN-CSRF"] = "1", ["Accept"] = "application/json" };
    private readonly string _id = Ids.New("u");
    private DotNetObjectReference<UploadBox>? _self;
    private ElementReference _zone;
    private ElementReference _input;
    private long _sent = -1;
    private long _size;
    private string _name = "";
    private string? _error;
    private bool _drops;

    /// <summary>Package that gets a new version; null makes a new package.</summary>
    [Parameter] public string? PackageId { get; set; }
    [Parameter] public EventCallback<string> Uploaded { get; set; }

    private int Percent => _size <= 0 ? 0 : (int)(_sent * 100 / _size);

    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (_sent >= 0 || _drops) return;
        _drops = true;
        await (await Browser.ModuleAsync()).InvokeVoidAsync("dropInto", _zone, _input);
    }

    private async Task SendAsync()
    {
        var module = await Browser.ModuleAsync();
        if (await module.InvokeAsync<File?>("fileOf", _input) is not { } file) return;
        _error = null;
        if (file.Size > Options.MaxPackageBytes)
        {
            _error = L["too-large", Words.Size(file.Size), Words.Size(Options.MaxPackageBytes)];
            return;
        }
        (_name, _size) = (file.Name, Math.Max(1, file.Size));
        _self ??= DotNetObjectReference.Create(this);
        var address = PackageId is null ? "api/v1/packages" : $"api/v1/packages/{PackageId}/versions";
        await module.InvokeVoidAsync("upload", _id, _input, address, new Dictionary<string, string>(), Headers, _self);
        (_sent, _drops) = (0, false);
    }

    private async Task CancelAsync() => await (await Browser.ModuleAsync()).InvokeVoidAsync("cancelUpload", _id);

    [JSInvokable]
    public Task Progress(long sent, long size) => InvokeAsync(() =>
    {
        (_sent, _size) = (sent, Math.Max(1, size));
        StateHasChanged();
    });

    [JSInvokable]
    public Task Done(int status, string body) => InvokeAsync(async () =>
    {
        _sent = -1;
        if (status is >= 200 and < 300 && Text(body, "id") is { } id) await Uploaded.InvokeAsync(id);
        else if (status >= 0) _error = Text(body, "detail") ?? (status == 0 ? L["upload-broken"] : L["upload-failed", status]);
        StateHasChanged();
    });

    private static string? Text(string body, string name)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty(name, out var value) ? value.GetString() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public void Dispose() => _self?.Dispose();

    private sealed record File(string Name, long Size);
}

using System.Net.Mime;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace McpCan.Gateway;

/// <summary>What an exchange carries, kept for its access record where the instance asks for it. The bytes themselves pass as ever.</summary>
internal sealed class ExchangePayloads
{
    private readonly PayloadCapture _capture;
    private readonly PayloadCopy _request;
    private readonly PayloadCopy _response;

    private ExchangePayloads(PayloadCapture capture)
    {
        _capture = capture;
        (_request, _response) = (new(capture.MaxBytes), new(capture.MaxBytes));
    }

    /// <summary>Copies from now on: after the token was accepted, so that nobody fills the database from outside.</summary>
    public static void Begin(GatewayExchange exchange, PayloadCapture capture)
    {
        var payloads = exchange.Payloads = new ExchangePayloads(capture);
        var features = exchange.Context.Features;
        if (HttpMethods.IsPost(exchange.Context.Request.Method))
        {
            var reader = new CopyingReader(exchange.Context.Request.BodyReader, payloads._request);
            features.Set<IRequestBodyPipeFeature>(reader);
            exchange.Context.Request.Body = reader.AsStream(leaveOpen: true);
        }
        if (features.Get<IHttpResponseBodyFeature>() is { } body) features.Set<IHttpResponseBodyFeature>(new CopyingBody(body, payloads._response));
    }

    public string? Request(HttpContext context) => Text(_request, context.Request.ContentType, context.Request.Headers.ContentEncoding);

    public string? Response(HttpContext context) => Text(_response, context.Response.ContentType, context.Response.Headers.ContentEncoding);

    private string? Text(PayloadCopy copy, string? type, string? encoding)
    {
        if (copy.Total == 0) return null;
        if (!string.IsNullOrEmpty(encoding) || !IsText(type)) return $"({copy.Total} bytes, {type ?? "no type"}{(string.IsNullOrEmpty(encoding) ? "" : $", {encoding}")})";
        var text = PayloadText.Redact(copy.Kept, _capture.RedactedFields);
        return copy.Cut ? $"{text}\n… ({copy.Total} bytes)" : text;
    }

    private static bool IsText(string? type)
    {
        var name = type is null ? "" : type.Split(';')[0].Trim().ToLowerInvariant();
        return name is "" or MediaTypeNames.Application.Json or MediaTypeNames.Text.EventStream || name.StartsWith("text/", StringComparison.Ordinal) || name.EndsWith("+json", StringComparison.Ordinal);
    }
}

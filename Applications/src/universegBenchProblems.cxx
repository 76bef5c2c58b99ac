/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#include "universegBenchProblems.h"
#include "universegRandomNetwork.h"
#include "universegModelOptions.h"
#include "universegProgress.h"

#include "itkNNBackend.h"
#include "itkNNExecutionPlan.h"
#include "itkNNNetwork.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <iostream>
#include <limits>
#include <random>
#include <set>
#include <type_traits>

namespace universeg
{
namespace
{
using Json = nlohmann::ordered_json;
using itk::nn::DataType;
using itk::nn::ExecutionPlan;
using itk::nn::Graph;
using itk::nn::PlanOptions;
using itk::nn::Shape;
using itk::nn::StateDict;
using itk::nn::Tensor;
using itk::nn::ValueId;

std::string
Brief(const Json & json)
{
  constexpr std::size_t longest = 60;
  const std::string text = json.dump();
  return text.size() <= longest ? text : text.substr(0, longest) + "...";
}

/** Typed access to the keys of an object. Every Failure names the place and the
 * key; what was not asked for is an error. */
class Keys
{
public:
  Keys(const Json & json, std::string where)
    : m_Json(json)
    , m_Where(std::move(where))
  {
    if (!json.is_object())
    {
      throw Failure(m_Where + ": should be an object, is " + Brief(json));
    }
  }

  const std::string & GetPlace() const
  {
    return m_Where;
  }

  /** Null when there is no such key. */
  const Json * Find(const std::string & key)
  {
    m_Known.insert(key);
    const auto found = m_Json.find(key);
    return found == m_Json.end() ? nullptr : &*found;
  }

  const Json & Require(const std::string & key, const char * expected)
  {
    const Json * value = this->Find(key);
    if (value == nullptr)
    {
      throw Failure(m_Where + ": key '" + key + "' is missing; should be " + expected);
    }
    return *value;
  }

  [[noreturn]] void Fail(const std::string & key, const Json & value, const std::string & expected) const
  {
    throw Failure(m_Where + ": key '" + key + "' is " + Brief(value) + "; should be " + expected);
  }

  std::string GetText(const std::string & key, const std::string & otherwise)
  {
    const Json * value = this->Find(key);
    if (value != nullptr && !value->is_string())
    {
      this->Fail(key, *value, "a text");
    }
    return value == nullptr ? otherwise : value->get<std::string>();
  }

  void Get(const std::string & key, bool & result)
  {
    if (const Json * value = this->Find(key))
    {
      if (!value->is_boolean())
      {
        this->Fail(key, *value, "true or false");
      }
      result = value->get<bool>();
    }
  }

  void Get(const std::string & key, double & result)
  {
    if (const Json * value = this->Find(key))
    {
      if (!value->is_number())
      {
        this->Fail(key, *value, "a number");
      }
      result = value->get<double>();
    }
  }

  template <typename TInteger, typename = std::enable_if_t<std::is_integral<TInteger>::value>>
  void Get(const std::string & key, TInteger & result)
  {
    if (const Json * value = this->Find(key))
    {
      result = this->ToInteger<TInteger>(key, *value, *value, "an integer");
    }
  }

  template <typename TInteger>
  void Get(const std::string & key, std::vector<TInteger> & result)
  {
    if (const Json * value = this->Find(key))
    {
      result = this->ToIntegers<TInteger>(key, *value, *value, "a list of integers");
    }
  }

  /** One of the values from the first to the last, by its name. */
  template <typename TEnum>
  void Get(const std::string & key, TEnum & result, TEnum last)
  {
    const Json * found = this->Find(key);
    if (found == nullptr)
    {
      return;
    }
    const Json & value = *found;
    std::string names;
    for (int i = 0; i <= static_cast<int>(last); ++i)
    {
      const char * name = itk::nn::ToString(static_cast<TEnum>(i));
      if (value.is_string() && value.get<std::string>() == name)
      {
        result = static_cast<TEnum>(i);
        return;
      }
      names += (i == 0 ? "" : i == static_cast<int>(last) ? " or " : ", ") + std::string(name);
    }
    this->Fail(key, value, names);
  }

  Shape ToShape(const std::string & key, const Json & value, const char * expected) const
  {
    const Shape shape = this->ToIntegers<std::int64_t>(key, value, value, expected);
    if (std::any_of(shape.begin(), shape.end(), [](std::int64_t extent) { return extent < 0; }))
    {
      this->Fail(key, value, expected);
    }
    return shape;
  }

  void RequireNoOthers() const
  {
    for (const auto & item : m_Json.items())
    {
      if (m_Known.count(item.key()) == 0)
      {
        std::string known;
        for (const std::string & key : m_Known)
        {
          known += (known.empty() ? "" : ", ") + key;
        }
        throw Failure(m_Where + ": key '" + item.key() + "' is unknown; " +
                      (known.empty() ? "there are none here" : "known are: " + known));
      }
    }
  }

private:
  template <typename TInteger>
  TInteger ToInteger(const std::string & key, const Json & value, const Json & whole, const char * expected) const
  {
    // Numbers beyond 63 bits are unsigned in nlohmann's parser, or floating-point.
    const bool isInteger = value.is_number_integer() &&
                           (!value.is_number_unsigned() ||
                            value.get<std::uint64_t>() <= std::uint64_t{ std::numeric_limits<std::int64_t>::max() });
    const std::int64_t integer = isInteger ? value.get<std::int64_t>() : 0;
    const auto result = static_cast<TInteger>(integer);
    const bool fits = static_cast<std::int64_t>(result) == integer && (integer >= 0 || std::is_signed<TInteger>::value);
    if (!isInteger || !fits)
    {
      this->Fail(key, whole, expected);
    }
    return result;
  }

  template <typename TInteger>
  std::vector<TInteger> ToIntegers(const std::string & key,
                                   const Json & value,
                                   const Json & whole,
                                   const char * expected) const
  {
    if (!value.is_array())
    {
      this->Fail(key, whole, expected);
    }
    std::vector<TInteger> integers;
    for (const Json & entry : value)
    {
      integers.push_back(this->ToInteger<TInteger>(key, entry, whole, expected));
    }
    return integers;
  }

  const Json & m_Json;
  std::string m_Where;
  std::set<std::string> m_Known;
};

itk::nn::Operator ParseOperator(const std::string & name, Keys & keys);

/** {"operator": "Unary" or "Binary", "parameters": {...}} */
itk::nn::PostOperation
ParsePostOperation(const Json & json, const std::string & where)
{
  Keys keys(json, where);
  const std::string name = keys.GetText("operator", "");
  if (name != "Unary" && name != "Binary")
  {
    keys.Fail("operator", keys.Require("operator", "Unary or Binary"), "Unary or Binary");
  }
  static const Json none = Json::object();
  const Json * found = keys.Find("parameters");
  Keys parameters(found == nullptr ? none : *found, where + ": parameters of " + name);
  keys.RequireNoOthers();
  const itk::nn::Operator op = ParseOperator(name, parameters);
  parameters.RequireNoOthers();
  if (const auto * unary = std::get_if<itk::nn::Unary>(&op))
  {
    return { *unary };
  }
  return { std::get<itk::nn::Binary>(op) };
}

/** Assign the parameters of one alternative of Operator from the keys. */
class ParameterReader
{
public:
  explicit ParameterReader(Keys & keys)
    : m_Keys(keys)
  {}

  void operator()(itk::nn::Unary & op) const
  {
    m_Keys.Get("function", op.function, itk::nn::UnaryFunction::Linear);
    m_Keys.Get("alpha", op.alpha);
    m_Keys.Get("beta", op.beta);
  }
  void operator()(itk::nn::Binary & op) const
  {
    m_Keys.Get("function", op.function, itk::nn::BinaryFunction::Gate);
    m_Keys.Get("alpha", op.alpha);
  }
  void operator()(itk::nn::Convolution & op) const
  {
    this->GetWindow(op);
    this->GetPostOperations(op.postOperations);
  }
  void operator()(itk::nn::Pooling & op) const
  {
    m_Keys.Get("function", op.function, itk::nn::PoolingFunction::Average);
    m_Keys.Get("kernel", op.kernel);
    m_Keys.Get("stride", op.stride);
    m_Keys.Get("padding", op.padding);
    m_Keys.Get("includePadding", op.includePadding);
  }
  void operator()(itk::nn::Interpolation & op) const
  {
    m_Keys.Get("mode", op.mode, itk::nn::InterpolationMode::Linear);
    m_Keys.Get("size", op.size);
    m_Keys.Get("alignCorners", op.alignCorners);
  }
  void operator()(itk::nn::Concatenation & op) const
  {
    m_Keys.Get("axis", op.axis);
  }
  void operator()(itk::nn::Slice & op) const
  {
    m_Keys.Get("begin", op.begin);
    m_Keys.Get("end", op.end);
    m_Keys.Get("step", op.step);
  }
  void operator()(itk::nn::Reshape & op) const
  {
    m_Keys.Get("shape", op.shape);
  }
  void operator()(itk::nn::Permutation & op) const
  {
    m_Keys.Get("order", op.order);
  }
  void operator()(itk::nn::Broadcast & op) const
  {
    m_Keys.Get("shape", op.shape);
  }
  void operator()(itk::nn::Reduction & op) const
  {
    m_Keys.Get("function", op.function, itk::nn::ReductionFunction::Variance);
    m_Keys.Get("axes", op.axes);
    m_Keys.Get("keepAxes", op.keepAxes);
  }
  void operator()(itk::nn::Softmax & op) const
  {
    m_Keys.Get("axis", op.axis);
    m_Keys.Get("logarithm", op.logarithm);
  }
  void operator()(itk::nn::MatrixProduct & op) const
  {
    m_Keys.Get("transposeA", op.transposeA);
    m_Keys.Get("transposeB", op.transposeB);
  }
  void operator()(itk::nn::ShiftedInterpolation & op) const
  {
    (*this)(op.interpolation);
    m_Keys.Get("kernel", op.kernel);
    m_Keys.Get("padding", op.padding);
    m_Keys.Get("paddingEnd", op.paddingEnd);
    m_Keys.Get("dilation", op.dilation);
    this->GetPostOperations(op.postOperations);
  }
  void operator()(itk::nn::Pointwise & op) const
  {
    this->GetPostOperations(op.postOperations);
  }
  void operator()(itk::nn::Insertion & op) const
  {
    m_Keys.Get("begin", op.begin);
    m_Keys.Get("step", op.step);
  }
  void operator()(itk::nn::TransposedConvolution & op) const
  {
    this->GetWindow(op);
    m_Keys.Get("size", op.size);
    this->GetPostOperations(op.postOperations);
  }
  void operator()(itk::nn::ConvolutionWeightsGradient & op) const
  {
    m_Keys.Get("kernel", op.kernel);
    this->GetWindow(op);
  }
  void operator()(itk::nn::PoolingGradient & op) const
  {
    (*this)(op.pooling);
    m_Keys.Get("size", op.size);
  }
  void operator()(itk::nn::TransposedInterpolation & op) const
  {
    m_Keys.Get("mode", op.mode, itk::nn::InterpolationMode::Linear);
    m_Keys.Get("size", op.size);
    m_Keys.Get("alignCorners", op.alignCorners);
  }
  void operator()(itk::nn::Gather & op) const
  {
    m_Keys.Get("axis", op.axis);
  }
  void operator()(itk::nn::ScatterAdd & op) const
  {
    m_Keys.Get("axis", op.axis);
    m_Keys.Get("size", op.size);
  }
  void operator()(itk::nn::BitMask & op) const
  {
    m_Keys.Get("shape", op.shape);
  }
  void operator()(itk::nn::Barrier & op) const
  {
    m_Keys.Get("stopsGradient", op.stopsGradient);
  }
  void operator()(itk::nn::LovaszWeights &) const
  {}
  void operator()(itk::nn::Sampling & op) const
  {
    m_Keys.Get("mode", op.mode, itk::nn::InterpolationMode::Linear);
    m_Keys.Get("boundary", op.boundary, itk::nn::BoundaryMode::Wrap);
    m_Keys.Get("value", op.value);
    m_Keys.Get("cudaSpatialDeformRules", op.cudaSpatialDeformRules);
  }
  void operator()(itk::nn::TransposedSampling & op) const
  {
    (*this)(op.sampling);
    m_Keys.Get("size", op.size);
  }
  void operator()(itk::nn::SamplingCoordinatesGradient & op) const
  {
    (*this)(op.sampling);
  }

private:
  template <typename TOperator>
  void GetWindow(TOperator & op) const
  {
    m_Keys.Get("stride", op.stride);
    m_Keys.Get("padding", op.padding);
    m_Keys.Get("paddingEnd", op.paddingEnd);
    m_Keys.Get("dilation", op.dilation);
    m_Keys.Get("groups", op.groups);
  }

  void GetPostOperations(std::vector<itk::nn::PostOperation> & operations) const
  {
    const Json * list = m_Keys.Find("postOperations");
    if (list == nullptr)
    {
      return;
    }
    if (!list->is_array())
    {
      m_Keys.Fail("postOperations", *list, "a list of operators");
    }
    for (std::size_t i = 0; i < list->size(); ++i)
    {
      const std::string where = m_Keys.GetPlace() + ": postOperations " + std::to_string(i);
      operations.push_back(ParsePostOperation((*list)[i], where));
    }
  }

  Keys & m_Keys;
};

/** A default-constructed alternative of Operator by its name; false when there
 * is none. The names passed on the way are listed. */
template <std::size_t VIndex = 0>
bool
FindOperator(const std::string & name, itk::nn::Operator & op, std::string & names)
{
  if constexpr (VIndex < std::variant_size_v<itk::nn::Operator>)
  {
    op.emplace<VIndex>();
    names += (names.empty() ? "" : ", ") + std::string(itk::nn::GetName(op));
    return name == itk::nn::GetName(op) || FindOperator<VIndex + 1>(name, op, names);
  }
  return false;
}

itk::nn::Operator
ParseOperator(const std::string & name, Keys & keys)
{
  itk::nn::Operator op;
  std::string names;
  if (!FindOperator(name, op, names))
  {
    throw Failure(keys.GetPlace() + ": there is no operator '" + name + "'; known are: " + names);
  }
  std::visit(ParameterReader(keys), op);
  return op;
}

void
AddOperator(BenchProblem & problem, Keys & keys)
{
  static const Json none = Json::object();
  const Json * found = keys.Find("parameters");
  Keys parameters(found == nullptr ? none : *found, problem.where + ": parameters");
  itk::nn::Operator op = ParseOperator(problem.kind, parameters);
  parameters.RequireNoOthers();

  const char * expected = "a list of shapes, each a list of extents";
  const Json & list = keys.Require("inputs", expected);
  if (!list.is_array())
  {
    keys.Fail("inputs", list, expected);
  }
  std::vector<std::int64_t> constants;
  keys.Get("constants", constants);
  const auto count = static_cast<std::int64_t>(list.size());
  for (const std::int64_t constant : constants)
  {
    if (constant < 0 || constant >= count)
    {
      keys.Fail("constants", constants, "numbers of inputs, from 0 to " + std::to_string(count - 1));
    }
  }
  std::vector<ValueId> inputs;
  for (std::int64_t i = 0; i < count; ++i)
  {
    const Shape shape = keys.ToShape("inputs", list[static_cast<std::size_t>(i)], expected);
    const std::string name = "input " + std::to_string(i);
    const bool isConstant = std::find(constants.begin(), constants.end(), i) != constants.end();
    const bool isIndex =
      i == 1 && (std::holds_alternative<itk::nn::Gather>(op) || std::holds_alternative<itk::nn::ScatterAdd>(op));
    const bool isBits = i == 0 && std::holds_alternative<itk::nn::BitMask>(op);
    const auto type = isIndex ? itk::nn::DataType::Int64
                    : isBits  ? itk::nn::DataType::UInt8
                              : itk::nn::DataType::Float32;
    inputs.push_back(isConstant ? problem.graph.AddParameter(name, shape) : problem.graph.AddInput(name, shape, type));
  }
  if (auto * convolution = std::get_if<itk::nn::Convolution>(&op))
  {
    const auto & posts = convolution->postOperations;
    const auto operands = std::count_if(posts.begin(),
                                        posts.end(),
                                        [](const itk::nn::PostOperation & post)
                                        { return std::holds_alternative<itk::nn::Binary>(post.operation); });
    convolution->hasBias = count == 3 + operands;
  }
  problem.graph.AddOutput("result", problem.graph.Add(std::move(op), std::move(inputs), problem.name));
}

void
AddNetwork(BenchProblem & problem, Keys & keys)
{
  const Json & configuration = keys.Require("configuration", "an object as in --config");
  const Json & inputs = keys.Require("inputs", "an object with the shape of each input");
  if (!inputs.is_object())
  {
    keys.Fail("inputs", inputs, "an object with the shape of each input");
  }
  itk::nn::ShapeMap shapes;
  for (const auto & item : inputs.items())
  {
    shapes[item.key()] = keys.ToShape("inputs", item.value(), "an object with the shape of each input");
  }
  const auto network = itk::nn::Network::Create(problem.kind, configuration.dump());
  const auto known = network->GetInputNames();
  for (const auto & shape : shapes)
  {
    if (std::find(known.begin(), known.end(), shape.first) == known.end())
    {
      throw Failure(problem.where + ": key 'inputs': the network has no input '" + shape.first + "'");
    }
  }
  problem.graph = network->BuildGraph(shapes);
  problem.isNetwork = true;
}

BenchProblem
ParseProblem(const Json & json, std::size_t index, const std::string & fileName)
{
  BenchProblem problem;
  problem.file = fileName;
  problem.index = index;
  problem.where = fileName + ": problem " + std::to_string(index);
  problem.name = Keys(json, problem.where).GetText("name", "");
  if (!problem.name.empty())
  {
    problem.where += " '" + problem.name + "'";
  }
  Keys keys(json, problem.where);
  keys.Find("name");
  const bool isOperator = keys.Find("operator") != nullptr;
  const bool isNetwork = keys.Find("network") != nullptr;
  if (isOperator == isNetwork)
  {
    throw Failure(problem.where + ": should have either the key 'operator' or the key 'network', has " +
                  (isOperator ? "both" : "neither"));
  }
  problem.kind = keys.GetText(isOperator ? "operator" : "network", "");
  problem.low = isOperator ? -1 : 0;
  keys.Get("seed", problem.seed);
  keys.Get("step", problem.step);
  if (!(problem.step >= 0))
  {
    keys.Fail("step", problem.step, "0 or more");
  }
  if (keys.Find("tolerance") != nullptr)
  {
    keys.Get("tolerance", problem.tolerance);
    if (!(problem.tolerance > 0))
    {
      keys.Fail("tolerance", problem.tolerance, "above 0");
    }
  }
  if (const Json * range = keys.Find("range"))
  {
    const bool isPair = range->is_array() && range->size() == 2 && (*range)[0].is_number() && (*range)[1].is_number();
    if (!isPair || (*range)[0].get<double>() > (*range)[1].get<double>())
    {
      keys.Fail("range", *range, "two numbers, the lower one first");
    }
    problem.low = (*range)[0].get<double>();
    problem.high = (*range)[1].get<double>();
  }
  problem.name = problem.name.empty() ? problem.kind : problem.name;
  try
  {
    isOperator ? AddOperator(problem, keys) : AddNetwork(problem, keys);
  }
  catch (const itk::nn::Error & error)
  {
    throw Failure(problem.where + ": " + error.GetDescription());
  }
  keys.RequireNoOthers();
  return problem;
}

struct ProblemData
{
  StateDict weights;
  itk::nn::TensorMap inputs;
};

ProblemData
MakeData(const BenchProblem & problem)
{
  ProblemData data;
  std::mt19937_64 generator(problem.seed);
  for (const ValueId id : problem.graph.GetValuesOfKind(Graph::ValueKind::Parameter))
  {
    const Shape & shape = problem.graph.GetShape(id);
    double low = problem.low;
    double high = problem.high;
    if (problem.isNetwork)
    {
      high = GetWeightBound(shape);
      low = -high;
    }
    const double step = problem.isNetwork ? 0 : problem.step;
    data.weights.Add(problem.graph.GetValue(id).name, MakeUniform(shape, low, high, generator, step));
  }
  for (const ValueId id : problem.graph.GetValuesOfKind(Graph::ValueKind::Input))
  {
    data.inputs[problem.graph.GetValue(id).name] =
      MakeUniform(problem.graph.GetShape(id), problem.low, problem.high, generator, problem.step);
  }
  return data;
}

struct Difference
{
  double absolute = 0;
  double largest = 0; ///< finite magnitude of what was expected

  double GetRelative() const
  {
    return absolute / std::max(1.0, largest);
  }
};

/** Values that are not finite have to be the same. */
void
Compare(const Tensor & result, const Tensor & expected, Difference & difference)
{
  const auto values = result.ToVector<double>();
  const auto wanted = expected.ToVector<double>();
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    if (std::isfinite(wanted[i]))
    {
      difference.largest = std::max(difference.largest, std::abs(wanted[i]));
    }
    if (values[i] == wanted[i] || (std::isnan(values[i]) && std::isnan(wanted[i])))
    {
      continue;
    }
    const double absolute = std::abs(values[i] - wanted[i]);
    difference.absolute =
      std::max(difference.absolute, std::isfinite(absolute) ? absolute : std::numeric_limits<double>::infinity());
  }
}

/** Whether the problem keeps its tolerance. */
bool
CheckProblem(const BenchProblem & problem,
             const ProblemData & data,
             const ExecutionPlan & plan,
             const PlanOptions & options,
             Json & report)
{
  PlanOptions reference = options;
  reference.backend = "reference";
  reference.device = {};
  reference.precision = DataType::Float64;
  reference.optimize = false;
  const auto expected = ExecutionPlan::Compile(problem.graph, data.weights, reference)->Run(data.inputs);
  const auto result = plan.Run(data.inputs);
  Difference difference;
  for (const auto & output : expected)
  {
    Compare(result.at(output.first), output.second, difference);
  }
  const double tolerance = problem.tolerance > 0 ? problem.tolerance : DefaultTolerance(options.precision);
  const bool passed = difference.GetRelative() <= tolerance;
  report["passed"] = passed;
  report["max_absolute_error"] = difference.absolute;
  report["max_relative_error"] = difference.GetRelative();
  report["tolerance"] = tolerance;
  return passed;
}

void
TimeProblem(const ProblemData & data, const ExecutionPlan & plan, std::int64_t repeat, Json & report)
{
  std::vector<double> milliseconds;
  for (std::int64_t i = 0; i <= repeat; ++i)
  {
    const auto begin = std::chrono::steady_clock::now();
    plan.Run(data.inputs);
    const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - begin;
    // The first run fills caches.
    if (i > 0)
    {
      milliseconds.push_back(elapsed.count());
    }
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  const std::size_t middle = milliseconds.size() / 2;
  const double median =
    milliseconds.size() % 2 == 1 ? milliseconds[middle] : (milliseconds[middle - 1] + milliseconds[middle]) / 2;
  report["min_milliseconds"] = milliseconds.front();
  report["median_milliseconds"] = median;
  report["flops"] = plan.GetFlops();
  report["gflop_per_second"] = plan.GetFlops() / median / 1e6;
}

Json
CountImplementations(const ExecutionPlan & plan)
{
  Json counts = Json::object();
  for (const auto & step : plan.GetSteps())
  {
    counts[step.implementation] = counts.value(step.implementation, 0) + 1;
  }
  return counts;
}

std::string
FormatError(const Json & value)
{
  const double number = value.get<double>();
  if (!std::isfinite(number))
  {
    return "not finite";
  }
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), number, std::chars_format::scientific, 1);
  return std::string(buffer, result.ptr);
}

std::string
DescribeImplementations(const Json & counts)
{
  std::string text;
  for (const auto & item : counts.items())
  {
    const int count = item.value().get<int>();
    text += (text.empty() ? "" : ", ") + (count > 1 ? std::to_string(count) + " x " : "") + item.key();
  }
  return text.empty() ? "-" : text;
}

/** Columns as wide as their widest entry. */
void
PrintTable(const std::vector<std::vector<std::string>> & rows)
{
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto & row : rows)
  {
    for (std::size_t i = 0; i < row.size(); ++i)
    {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  for (const auto & row : rows)
  {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
    {
      line += row[i] + std::string(i + 1 < row.size() ? widths[i] + 2 - row[i].size() : 0, ' ');
    }
    std::cout << line << '\n';
  }
  std::cout << std::flush;
}

void
PrintReports(const Json & reports, bool checks, bool times)
{
  std::vector<std::vector<std::string>> rows{ { "problem" } };
  auto & head = rows.front();
  if (checks)
  {
    head.insert(head.end(), { "result", "error", "allowed" });
  }
  if (times)
  {
    head.insert(head.end(), { "min ms", "median ms", "GFLOP/s" });
  }
  head.emplace_back("implementation");
  for (const Json & report : reports)
  {
    std::vector<std::string> row{ report["name"].get<std::string>() };
    if (checks)
    {
      const Json & check = report["correctness"];
      row.insert(row.end(),
                 { check["passed"].get<bool>() ? "passed" : "FAILED",
                   FormatError(check["max_relative_error"]),
                   FormatError(check["tolerance"]) });
    }
    if (times)
    {
      const Json & time = report["performance"];
      row.insert(row.end(),
                 { FormatFixed(time["min_milliseconds"], 3),
                   FormatFixed(time["median_milliseconds"], 3),
                   FormatFixed(time["gflop_per_second"], 2) });
    }
    row.push_back(DescribeImplementations(report["implementations"]));
    rows.push_back(std::move(row));
  }
  PrintTable(rows);
}
} // namespace

std::vector<BenchProblem>
ParseBenchProblems(const std::string & text, const std::string & fileName)
{
  Json json;
  try
  {
    json = Json::parse(text);
  }
  catch (const Json::parse_error & error)
  {
    throw Failure(fileName + ": no JSON: " + error.what());
  }
  if (!json.is_array() || json.empty())
  {
    throw Failure(fileName + ": should be a list of problems, is " + Brief(json));
  }
  std::vector<BenchProblem> problems;
  for (std::size_t i = 0; i < json.size(); ++i)
  {
    problems.push_back(ParseProblem(json[i], i, fileName));
  }
  return problems;
}

double
DefaultTolerance(DataType precision)
{
  return precision == DataType::Float64 ? 1e-12 : 1e-5;
}

void
AddBenchProblemOptions(CommandLine & commandLine)
{
  commandLine.AddGroup("Problem files")
    .add_options()("problems", Texts(), "JSON files of operators and networks to run instead")(
      "mode",
      Text(),
      "both (default), correctness: compare with the reference in float64, or performance: measure each, --repeat "
      "times");
}

bool
HasBenchProblems(const CommandLine & commandLine)
{
  const bool hasProblems = commandLine.Has("problems");
  for (const char * option : { "network", "config", "support-size", "size", "batch", "targets" })
  {
    if (hasProblems && commandLine.Has(option))
    {
      throw UsageError(std::string("--problems and --") + option + " exclude each other");
    }
  }
  if (!hasProblems && commandLine.Has("mode"))
  {
    throw UsageError("--mode is of use only with --problems");
  }
  return hasProblems;
}

int
RunBenchProblems(const CommandLine & commandLine)
{
  const std::string mode = commandLine.GetText("mode", "both");
  const bool checks = mode != "performance";
  const bool times = mode != "correctness";
  if (checks && times && mode != "both")
  {
    throw UsageError("--mode: there is no '" + mode + "'; should be correctness, performance or both");
  }
  const std::int64_t repeat = commandLine.GetInteger("repeat", 5, 1, 1 << 20);
  const PlanOptions options = GetPlanOptions(commandLine);
  std::vector<BenchProblem> problems;
  for (const std::string & fileName : commandLine.GetTexts("problems"))
  {
    auto more = ParseBenchProblems(ReadTextFile(fileName), fileName);
    std::move(more.begin(), more.end(), std::back_inserter(problems));
  }

  Json reports = Json::array();
  std::vector<std::string> failed;
  unsigned int threads = 0;
  ProgressBar progress("bench");
  for (const BenchProblem & problem : problems)
  {
    Json report;
    report["file"] = problem.file;
    report["index"] = problem.index;
    report["name"] = problem.name;
    report[problem.isNetwork ? "network" : "operator"] = problem.kind;
    try
    {
      const ProblemData data = MakeData(problem);
      const auto plan = ExecutionPlan::Compile(problem.graph, data.weights, options);
      threads = plan->GetNumberOfThreads();
      if (!problem.isNetwork)
      {
        report["parameters"] = itk::nn::Describe(problem.graph.GetNodes().front().op);
      }
      report["implementations"] = CountImplementations(*plan);
      if (checks && !CheckProblem(problem, data, *plan, options, report["correctness"]))
      {
        failed.push_back(problem.where);
      }
      if (times)
      {
        TimeProblem(data, *plan, repeat, report["performance"]);
      }
    }
    catch (const itk::nn::Error & error)
    {
      throw Failure(problem.where + ": " + error.GetDescription());
    }
    reports.push_back(std::move(report));
    progress.Show(static_cast<double>(reports.size()) / static_cast<double>(problems.size()));
  }

  if (commandLine.Has("json"))
  {
    Json json;
    json["problems"] = std::move(reports);
    json["mode"] = mode;
    if (checks)
    {
      json["failed"] = failed.size();
    }
    if (times)
    {
      json["repeat"] = repeat;
    }
    json["threads"] = threads;
    json["backend"] =
      itk::nn::Backend::Select(options.backend, options.device, options.precision).front()->GetBackendName();
    json["device"] = options.device.ToText();
    json["precision"] = itk::nn::ToString(options.precision);
    std::cout << json.dump() << std::endl;
  }
  else
  {
    PrintReports(reports, checks, times);
  }
  if (!failed.empty())
  {
    throw Failure(std::to_string(failed.size()) + " of " + std::to_string(problems.size()) +
                  " problems exceed their tolerance; the first is " + failed.front());
  }
  return exitSuccess;
}
} // namespace universeg

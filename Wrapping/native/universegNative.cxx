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
#include "universegObjects.h"

#include "itkCommand.h"
#include "itkUniverSegImageFilter.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

namespace
{
using itk::SegmentationModel;
using itk::UniverSegSupportSet;

struct SupportsObject : UniverSegObject
{
  UniverSegSupportSet::Pointer supports;
};

template <unsigned int VDimension, typename TPixel, typename TOutput>
typename itk::Image<TOutput, VDimension>::Pointer
MakeImage(const UniverSegImage & source)
{
  using ImageType = itk::Image<TOutput, VDimension>;
  typename ImageType::SizeType size;
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    size[d] = static_cast<itk::SizeValueType>(source.size[d]);
  }
  const auto image = ImageType::New();
  image->SetRegions(size);
  image->Allocate();
  const auto * pixels = static_cast<const TPixel *>(source.data);
  TOutput * output = image->GetBufferPointer();
  std::transform(pixels,
                 pixels + image->GetLargestPossibleRegion().GetNumberOfPixels(),
                 output,
                 [](const TPixel & pixel)
                 {
                   if constexpr (std::is_same<TOutput, float>::value)
                   {
                     return itk::ConvertPixelToIntensity(pixel);
                   }
                   else
                   {
                     return static_cast<TOutput>(pixel);
                   }
                 });
  return image;
}

template <typename TVisit>
auto
VisitPixel(const UniverSegImage & image, const TVisit & visit)
{
  switch (image.pixel)
  {
    case UNIVERSEG_UINT8:
      return visit(static_cast<unsigned char>(0));
    case UNIVERSEG_INT16:
      return visit(static_cast<short>(0));
    case UNIVERSEG_UINT16:
      return visit(static_cast<unsigned short>(0));
    case UNIVERSEG_FLOAT32:
      return visit(0.0F);
    case UNIVERSEG_FLOAT64:
      return visit(0.0);
    default:
      Fail("The pixel type " + std::to_string(image.pixel) + " is none of UniverSegPixel");
  }
}

void
CheckImage(const UniverSegImage * image, const char * what)
{
  if (image == nullptr || image->data == nullptr)
  {
    Fail(std::string("The ") + what + " has no memory");
  }
  if (image->dimension != 2 && image->dimension != 3)
  {
    Fail(std::string("The ") + what + " has " + std::to_string(image->dimension) +
         " dimensions; it should have 2 or 3");
  }
  std::int64_t pixels = 1;
  for (std::int32_t d = 0; d < image->dimension; ++d)
  {
    if (image->size[d] < 1 || image->size[d] > std::numeric_limits<std::int64_t>::max() / 64 / pixels)
    {
      Fail(std::string("The ") + what + " has " + std::to_string(image->size[d]) + " pixels along axis " +
           std::to_string(d));
    }
    pixels *= image->size[d];
  }
}

/** Intensities as UniverSegImageFilter reads them. */
template <unsigned int VDimension>
typename itk::Image<float, VDimension>::Pointer
MakeIntensities(const UniverSegImage & image)
{
  return VisitPixel(image,
                    [&image](auto component) -> typename itk::Image<float, VDimension>::Pointer
                    {
                      using Component = decltype(component);
                      switch (image.components)
                      {
                        case 1:
                          return MakeImage<VDimension, Component, float>(image);
                        case 3:
                          return MakeImage<VDimension, itk::RGBPixel<Component>, float>(image);
                        case 4:
                          return MakeImage<VDimension, itk::RGBAPixel<Component>, float>(image);
                        default:
                          Fail("An image has " + std::to_string(image.components) +
                               " components; it should have 1, 3 or 4");
                      }
                    });
}

template <unsigned int VDimension>
typename itk::Image<double, VDimension>::Pointer
MakeLabels(const UniverSegImage & image)
{
  if (image.components != 1)
  {
    Fail("A label image has " + std::to_string(image.components) + " components; it should have 1");
  }
  return VisitPixel(image,
                    [&image](auto component) { return MakeImage<VDimension, decltype(component), double>(image); });
}

void
CopyLabels(const std::vector<UniverSegSupportSet::LabelType> & values, std::int64_t * labels, std::int64_t capacity)
{
  std::copy_n(values.begin(), std::min<std::size_t>(values.size(), static_cast<std::size_t>(capacity)), labels);
}

template <unsigned int VDimension>
std::int32_t
Segment(SegmentationModel * model,
        UniverSegSupportSet * supports,
        const UniverSegParameters & parameters,
        const UniverSegImage & image,
        std::uint16_t * labels,
        float * probabilities,
        UniverSegProgress progress)
{
  using ImageType = itk::Image<float, VDimension>;
  using FilterType = itk::UniverSegImageFilter<ImageType, itk::Image<std::uint16_t, VDimension>>;
  const auto filter = FilterType::New();
  filter->SetInput(MakeIntensities<VDimension>(image));
  filter->SetModel(model);
  filter->SetSupportSet(supports);
  filter->SetThreshold(parameters.threshold);
  filter->SetForegroundValue(parameters.foregroundValue);
  filter->SetSliceAxis(parameters.sliceAxis);
  filter->SetSliceBatchSize(parameters.sliceBatchSize);
  filter->SetNormalization(static_cast<itk::IntensityNormalizationEnums::Normalization>(parameters.normalization));
  filter->SetLowerPercentile(parameters.lowerPercentile);
  filter->SetUpperPercentile(parameters.upperPercentile);
  filter->SetWindowMinimum(parameters.windowMinimum);
  filter->SetWindowMaximum(parameters.windowMaximum);
  filter->SetGridSize({ { parameters.gridColumns, parameters.gridRows } });
  filter->SetIncludeBackground(parameters.includeBackground != 0);
  filter->SetEnsembleSize(parameters.ensembleSize);
  filter->SetEnsembleSupportSize(parameters.ensembleSupportSize);
  filter->SetSeed(parameters.seed);
  filter->SetMaximumNumberOfSupports(parameters.maximumNumberOfSupports);
  filter->SetNumberOfNearestSupports(parameters.numberOfNearestSupports);
  filter->SetBackend(parameters.backend);
  filter->SetDevice(parameters.device);
  filter->SetPrecision(parameters.precision);
  filter->SetProduceProbabilities(probabilities != nullptr);
  if (parameters.numberOfWorkUnits > 0)
  {
    filter->GetMultiThreader()->SetMaximumNumberOfThreads(parameters.numberOfWorkUnits);
    filter->SetNumberOfWorkUnits(parameters.numberOfWorkUnits);
  }
  if (progress != nullptr)
  {
    filter->AddObserver(itk::ProgressEvent(),
                        [&filter, progress](const itk::EventObject &)
                        {
                          if (progress(filter->GetProgress()) != 0)
                          {
                            filter->AbortGenerateDataOn();
                          }
                        });
  }
  try
  {
    filter->Update();
  }
  catch (const itk::ProcessAborted &)
  {
    return 2;
  }
  const auto pixels = filter->GetOutput()->GetLargestPossibleRegion().GetNumberOfPixels();
  std::copy_n(filter->GetOutput()->GetBufferPointer(), pixels, labels);
  for (unsigned int i = 0; probabilities != nullptr && i < filter->GetOutputLabels().size(); ++i)
  {
    std::copy_n(filter->GetProbabilityOutput(i)->GetBufferPointer(), pixels, probabilities + i * pixels);
  }
  return 1;
}
} // namespace

std::string &
GetErrorText()
{
  thread_local std::string text;
  return text;
}

const char *
universeg_error()
{
  return GetErrorText().c_str();
}

void
universeg_release(UniverSegObject * object)
{
  delete object;
}

UniverSegObject *
universeg_model_read(const char * fileName)
{
  return Guard(static_cast<UniverSegObject *>(nullptr),
               [&]() -> UniverSegObject *
               {
                 auto object = std::make_unique<ModelObject>();
                 object->model =
                   fileName == nullptr ? SegmentationModel::GetDefault() : SegmentationModel::Read(fileName);
                 return object.release();
               });
}

const char *
universeg_model_describe(UniverSegObject * object)
{
  return Guard(static_cast<const char *>(nullptr),
               [&]
               {
                 const auto & model = *Get<ModelObject>(object, "model").model;
                 nlohmann::json description = nlohmann::json::parse(model.GetDescription());
                 description["network"] = model.GetNetworkName();
                 description["configuration"] = nlohmann::json::parse(model.GetConfiguration());
                 description["number_of_parameters"] = model.GetNumberOfParameters();
                 description["grid_size"] = { model.GetGridSize()[0], model.GetGridSize()[1] };
                 thread_local std::string text;
                 text = description.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
                 return text.c_str();
               });
}

UniverSegObject *
universeg_supports_new(std::int32_t softLabels)
{
  return Guard(static_cast<UniverSegObject *>(nullptr),
               [&]() -> UniverSegObject *
               {
                 auto object = std::make_unique<SupportsObject>();
                 object->supports = UniverSegSupportSet::New();
                 object->supports->SetSoftLabels(softLabels != 0);
                 return object.release();
               });
}

std::int32_t
universeg_supports_add(UniverSegObject * object,
                       const UniverSegImage * image,
                       const UniverSegImage * label,
                       std::uint32_t axis,
                       const std::int64_t * slices,
                       std::int64_t count)
{
  return Guard(0,
               [&]
               {
                 auto & supports = *Get<SupportsObject>(object, "support set").supports;
                 CheckImage(image, "image of a support");
                 CheckImage(label, "label image of a support");
                 if (image->dimension != label->dimension)
                 {
                   Fail("The image of a support has " + std::to_string(image->dimension) +
                        " dimensions and its label image " + std::to_string(label->dimension) +
                        "; they should have the same");
                 }
                 if (image->dimension == 2)
                 {
                   supports.PushBackSupport(MakeIntensities<2>(*image), MakeLabels<2>(*label));
                 }
                 else
                 {
                   supports.PushBackSupportVolume(
                     MakeIntensities<3>(*image), MakeLabels<3>(*label), axis, { slices, slices + count });
                 }
                 return 1;
               });
}

std::int64_t
universeg_supports_count(UniverSegObject * object)
{
  return Guard(
    std::int64_t{ -1 },
    [&]
    { return static_cast<std::int64_t>(Get<SupportsObject>(object, "support set").supports->GetNumberOfSupports()); });
}

std::int64_t
universeg_supports_labels(UniverSegObject * object, std::int64_t * labels, std::int64_t capacity)
{
  return Guard(std::int64_t{ -1 },
               [&]
               {
                 const auto values = Get<SupportsObject>(object, "support set").supports->GetLabels();
                 CopyLabels(values, labels, capacity);
                 return static_cast<std::int64_t>(values.size());
               });
}

void
universeg_parameters_default(UniverSegParameters * parameters)
{
  using FilterType = itk::UniverSegImageFilter<itk::Image<float, 3>, itk::Image<std::uint16_t, 3>>;
  const auto filter = FilterType::New();
  *parameters = UniverSegParameters{};
  parameters->threshold = filter->GetThreshold();
  parameters->lowerPercentile = filter->GetLowerPercentile();
  parameters->upperPercentile = filter->GetUpperPercentile();
  parameters->windowMinimum = filter->GetWindowMinimum();
  parameters->windowMaximum = filter->GetWindowMaximum();
  parameters->sliceBatchSize = filter->GetSliceBatchSize();
  parameters->ensembleSize = filter->GetEnsembleSize();
  parameters->ensembleSupportSize = filter->GetEnsembleSupportSize();
  parameters->seed = filter->GetSeed();
  parameters->maximumNumberOfSupports = filter->GetMaximumNumberOfSupports();
  parameters->numberOfNearestSupports = filter->GetNumberOfNearestSupports();
  parameters->sliceAxis = filter->GetSliceAxis();
  parameters->normalization = static_cast<std::int32_t>(filter->GetNormalization());
  parameters->includeBackground = filter->GetIncludeBackground() ? 1 : 0;
  parameters->foregroundValue = filter->GetForegroundValue();
  parameters->backend = "auto";
  parameters->device = "cpu";
  parameters->precision = "float32";
}

std::int64_t
universeg_output_labels(UniverSegObject * object,
                        std::int32_t includeBackground,
                        std::int64_t * labels,
                        std::int64_t capacity)
{
  return Guard(std::int64_t{ -1 },
               [&]
               {
                 const auto values = itk::UniverSegPredictor::SelectLabels(
                   *Get<SupportsObject>(object, "support set").supports, includeBackground != 0);
                 CopyLabels(values, labels, capacity);
                 return static_cast<std::int64_t>(values.size());
               });
}

std::int32_t
universeg_segment(UniverSegObject * model,
                  UniverSegObject * supports,
                  const UniverSegParameters * parameters,
                  const UniverSegImage * image,
                  std::uint16_t * labels,
                  float * probabilities,
                  UniverSegProgress progress)
{
  return Guard(0,
               [&]
               {
                 CheckImage(image, "target");
                 return (image->dimension == 2 ? Segment<2>
                                               : Segment<3>)(Get<ModelObject>(model, "model").model,
                                                             Get<SupportsObject>(supports, "support set").supports,
                                                             *parameters,
                                                             *image,
                                                             labels,
                                                             probabilities,
                                                             progress);
               });
}
